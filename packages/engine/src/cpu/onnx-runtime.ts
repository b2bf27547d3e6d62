import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { isMainThread } from "node:worker_threads";
import { VlmR1Error } from "@vlmr1/core";
import { Tensor, type InferenceSession } from "onnxruntime-common";

/** Options of a session; ONNX Runtime's own. */
export type SessionOptions = InferenceSession.SessionOptions;

/** A loaded model. */
export interface OnnxSession {
  /** Runs it once. A tensor in `fetches` is written in place; for null a new one is made. */
  run(
    feeds: Readonly<Record<string, Tensor>>,
    fetches: Readonly<Record<string, Tensor | null>>,
  ): Promise<Record<string, Tensor>>;
  release(): void;
}

interface NativeSession {
  loadModel(buffer: ArrayBufferLike, byteOffset: number, byteLength: number, options: SessionOptions): void;
  run(feeds: object, fetches: object, options: object): Record<string, Tensor>;
  dispose(): void;
}

interface Binding {
  readonly InferenceSession: new () => NativeSession;
  initOrtOnce(logLevel: number, tensor: typeof Tensor, isMainThread: boolean): void;
}

/** Where the native library is, and its version. */
export interface OnnxRuntimeLibrary {
  readonly version: string;
  readonly folder: string;
}

/** ONNX Runtime writes warnings and worse to the console: its own default, 2 of 0 to 4. */
const logLevel = 2;
const require = createRequire(import.meta.url);
let loaded: Binding | undefined;

/**
 * Finds ONNX Runtime: the package of this platform with the two files that computing on a CPU needs, which npm installs as an optional
 * dependency, or else onnxruntime-node, from which those files come. See docs/decisions/engine-onnx-runtime-per-platform.md.
 *
 * @throws VlmR1Error `unavailable` when neither is installed.
 */
export function findOnnxRuntime(
  platform: string = process.platform,
  arch: string = process.arch,
): OnnxRuntimeLibrary {
  const thin = `@vlmr1/onnxruntime-${platform}-${arch}`;
  const whole = join("bin", "napi-v6", platform, arch);
  for (const [name, inside] of [
    [thin, "."],
    ["onnxruntime-node", whole],
  ] as const) {
    try {
      const manifest = require.resolve(`${name}/package.json`);
      const folder = join(dirname(manifest), inside);
      require.resolve(bindingIn(folder));
      return { version: (require(manifest) as { version: string }).version, folder };
    } catch {
      // not installed
    }
  }
  throw new VlmR1Error(
    "unavailable",
    `ONNX Runtime is not installed for ${platform}-${arch}: neither ${thin} nor onnxruntime-node is there. It exists for linux (glibc, x64 ` +
      "and arm64), darwin-arm64 and win32 (x64 and arm64). Install again on this machine without --omit=optional and without a node_modules " +
      "or lockfile from another platform. Elsewhere (Intel Macs, Alpine), build onnxruntime-node from its source and install that.",
  );
}

const bindingIn = (folder: string): string => join(folder, "onnxruntime_binding.node");

function binding(): Binding {
  if (loaded) return loaded;
  const { folder, version } = findOnnxRuntime();
  try {
    loaded = require(bindingIn(folder)) as Binding;
  } catch (error) {
    throw new VlmR1Error(
      "unavailable",
      `ONNX Runtime ${version} in ${folder} cannot be loaded: ${(error as Error).message}. On Linux it needs glibc 2.28 or newer and ` +
        "libstdc++; on Windows the Visual C++ runtime.",
      { cause: error },
    );
  }
  loaded.initOrtOnce(logLevel, Tensor, isMainThread);
  return loaded;
}

/** Loads a model from its bytes. It and each run begin in a turn of their own, so that timers and signals get theirs. */
export function loadOnnxModel(model: Uint8Array, options: SessionOptions): Promise<OnnxSession> {
  return inOwnTurn(() => {
    const native = new (binding().InferenceSession)();
    native.loadModel(model.buffer, model.byteOffset, model.byteLength, options);
    return {
      run: (feeds, fetches) => inOwnTurn(() => native.run(feeds, fetches, {})),
      release: () => native.dispose(),
    };
  });
}

function inOwnTurn<T>(task: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        resolve(task());
      } catch (error) {
        reject(error);
      }
    });
  });
}
