import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { VlmR1Error } from "@vlmr1/core";

/** Files of libtensorflow in the order in which they must be loaded. */
export interface TensorFlowLibrary {
  readonly folder: string;
  /** Loaded first, with global symbols; the last has the C API. */
  readonly files: readonly string[];
}

/** What the builds of TensorFlow call their library: the Python wheel, then the C release. */
const names = [
  { framework: "libtensorflow_framework.so.2", api: "libtensorflow_cc.so.2" },
  { framework: "libtensorflow_framework.2.dylib", api: "libtensorflow_cc.2.dylib" },
  { framework: "libtensorflow_framework.so.2", api: "libtensorflow.so.2" },
  { framework: "libtensorflow_framework.2.dylib", api: "libtensorflow.2.dylib" },
] as const;

function libraryIn(folder: string): TensorFlowLibrary | undefined {
  for (const { framework, api } of names) {
    const files = [join(folder, framework), join(folder, api)];
    if (files.every((file) => existsSync(file))) return { folder, files };
  }
  return undefined;
}

/** The library inside @tensorflow/tfjs-node-gpu or @tensorflow/tfjs-node, if one is installed. */
function inNodePackage(): TensorFlowLibrary | undefined {
  const require = createRequire(import.meta.url);
  for (const name of ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"]) {
    try {
      const found = libraryIn(join(dirname(require.resolve(`${name}/package.json`)), "deps", "lib"));
      if (found) return found;
    } catch {
      // not installed
    }
  }
  return undefined;
}

/** The library of the Python wheel `tensorflow` or `tensorflow-cpu` that `python3` finds; nothing of Python is run later. */
function inPythonWheel(): TensorFlowLibrary | undefined {
  const program =
    "import importlib.util as u; s = u.find_spec('tensorflow'); print(s.submodule_search_locations[0] if s else '')";
  const { status, stdout } = spawnSync("python3", ["-c", program], { encoding: "utf8", timeout: 20_000 });
  const folder = status === 0 ? stdout.trim() : "";
  return folder === "" ? undefined : libraryIn(folder);
}

/** Finds libtensorflow: in `folder` if given, else in tfjs-node-gpu or tfjs-node, else in a Python wheel. */
export function findTensorFlow(folder: string | undefined): TensorFlowLibrary {
  const found = folder === undefined ? (inNodePackage() ?? inPythonWheel()) : libraryIn(folder);
  if (found) return found;
  const searched =
    folder === undefined
      ? "Looked in @tensorflow/tfjs-node-gpu, in @tensorflow/tfjs-node and for a wheel of python3."
      : `Looked in ${folder} for libtensorflow_cc.so.2 or libtensorflow.so.2 with libtensorflow_framework.so.2.`;
  throw new VlmR1Error(
    "unavailable",
    `The tensorflow device needs libtensorflow, which is not there. ${searched} Install one of: ` +
      "`npm install @tensorflow/tfjs-node-gpu`, `pip install tensorflow-cpu`, `pip install 'tensorflow[and-cuda]'` (NVIDIA), or give " +
      "its folder as the option `library`. The device `cpu` needs nothing.",
  );
}
