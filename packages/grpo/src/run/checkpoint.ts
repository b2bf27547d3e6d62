import { createHash } from "node:crypto";
import { mkdir, open, readdir, rename, rm, type FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import { showValue } from "@vlmr1/core";
import { invalidData, openFile, parseJson, readWhole } from "@vlmr1/core/files";
import { z } from "zod";
import type { PolicyState } from "@vlmr1/policy";
import type { Progress } from "./report.ts";

/** Everything a run needs to continue bit for bit. */
export interface Checkpoint {
  readonly state: PolicyState;
  readonly progress: Progress;
  /** The metrics of the step that it was written after. */
  readonly metrics: Readonly<Record<string, number>>;
  /** The configuration of the run, as plain data. */
  readonly config: unknown;
  /** No guard fired at this step: fit to roll back to. */
  readonly isGood: boolean;
}

const count = z.int().min(0).max(1e9);
/** JSON has no NaN: it stands there as null. */
const orNaN = z
  .number()
  .nullable()
  .transform((value) => value ?? NaN);

const SavedProgress = z.strictObject({
  step: count,
  updates: count,
  scheduled: count,
  dropped: count,
  rollbacks: count,
  rateFactor: z.number().gt(0).max(1),
  promptsDrawn: count,
  prompts: z.record(z.string().regex(/^\d+$/), z.strictObject({ visits: count, spread: z.number().min(0) })),
  guards: z.array(z.strictObject({ broken: count, mean: z.number(), seen: count })),
  watched: z.strictObject({ best: z.number().nullable(), waited: count }),
  best: z.strictObject({ value: z.number(), step: count }).nullable(),
});

const format = "vlmr1-checkpoint-2";

const Contents = z.strictObject({
  progress: SavedProgress,
  metrics: z.record(z.string(), orNaN),
  config: z.unknown(),
  isGood: z.boolean(),
  arrays: z.array(
    z.strictObject({
      name: z.string(),
      offset: count.max(2 ** 48),
      length: count.max(2 ** 46),
      crc32: z.int().min(0),
    }),
  ),
});

/** `digest` is the SHA-256 of the contents' JSON; those hold a checksum of each array: nothing of a checkpoint changes unseen. */
const Manifest = z.strictObject({ format: z.string(), digest: z.string(), contents: z.unknown() });

const digestOf = (contents: unknown) => createHash("sha256").update(JSON.stringify(contents)).digest("hex");

/** Prompts of a long difficulty-aware run are what makes it long. */
const largestManifest = 256 * 2 ** 20;

const manifestName = "manifest.json";
const stateName = "state.bin";

/**
 * Writes a checkpoint to the folder `path`, all or nothing: into a folder with another name, synced to disk, then renamed. A process
 * killed at any instant leaves either no folder of this name or a whole one; a full disk leaves what was there before.
 */
export async function writeCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  const temporary = join(dirname(path), `.writing-${process.pid}-${path.slice(dirname(path).length + 1)}`);
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { recursive: true });
  try {
    const arrays = await writeSynced(join(temporary, stateName), (file) =>
      writeArrays(file, checkpoint.state),
    );
    const { progress, metrics, config, isGood } = checkpoint;
    const contents = { progress, metrics, config, isGood, arrays };
    const manifest = { format, digest: digestOf(contents), contents };
    await writeSynced(join(temporary, manifestName), (file) => file.writeFile(JSON.stringify(manifest)));
    await syncFolder(temporary);
    await rm(path, { recursive: true, force: true }); // only a broken checkpoint of the same step can be in the way
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    throw cause;
  }
}

/**
 * What a checkpoint says of itself, without its weights.
 * @throws VlmR1Error `invalid-data` when that is damaged, `not-found`, or `limit`.
 */
export async function readManifest(
  path: string,
): Promise<Omit<Checkpoint, "state"> & Pick<z.output<typeof Contents>, "arrays">> {
  const file = join(path, manifestName);
  const text = (await readWhole(file, largestManifest)).toString("utf8");
  const manifest = Manifest.safeParse(parseJson(text, { file }));
  const refuse = (problem: string): never => {
    throw invalidData({ file, problem });
  };
  if (!manifest.success) return refuse("this is not a checkpoint's manifest");
  if (manifest.data.format !== format)
    return refuse(`its format is ${showValue(manifest.data.format)}, and this version reads ${format}`);
  const { digest, contents } = manifest.data;
  if (digestOf(contents) !== digest)
    return refuse("it was changed since it was written: its digest is another");
  const parsed = Contents.safeParse(contents);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return refuse(`${issue?.path.join(".")} cannot be: ${issue?.message}`);
  }
  const { progress, ...rest } = parsed.data;
  if (basename(path) !== nameOf(progress.step))
    return refuse(`it is of step ${progress.step}, in the folder of another step`);
  return { progress, ...rest };
}

/** Reads a checkpoint back. Throws `invalid-data` when anything of it is missing, cut short or changed. */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const { arrays, ...rest } = await readManifest(path);
  const name = join(path, stateName);
  const refuse = (problem: string) => invalidData({ file: name, problem });
  const file = await openFile(name);
  try {
    const { size } = await file.stat();
    const written = arrays.reduce((sum, { length }) => sum + 4 * length, 0);
    if (size !== written) throw refuse(`it has ${size} bytes, and ${written} were written`);
    const state: Record<string, Float32Array> = {};
    for (const { name: array, offset, length, crc32: checksum } of arrays) {
      if (offset + 4 * length > size) throw refuse(`the array ${array} lies outside of it`);
      const values = new Float32Array(length);
      const bytes = new Uint8Array(values.buffer);
      await readAt(file, bytes, offset);
      if (crc32(bytes) !== checksum) throw refuse(`it is damaged in the array ${array}`);
      state[array] = values;
    }
    return { ...rest, state };
  } finally {
    await file.close();
  }
}

/** One call of the system reads less than 2 GiB. */
const readChunk = 2 ** 30;

async function readAt(file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let at = 0; at < bytes.length; at += readChunk) {
    const length = Math.min(readChunk, bytes.length - at);
    await file.read(bytes, at, length, offset + at);
  }
}

async function writeArrays(file: FileHandle, state: PolicyState) {
  const arrays: z.output<typeof Contents>["arrays"] = [];
  let offset = 0;
  for (const [name, values] of Object.entries(state)) {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    await file.writeFile(bytes); // at the file's own position: one array after the other
    arrays.push({ name, offset, length: values.length, crc32: crc32(bytes) });
    offset += bytes.length;
  }
  return arrays;
}

async function writeSynced<T>(path: string, write: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, "wx");
  try {
    const result = await write(file);
    await file.sync();
    return result;
  } finally {
    await file.close();
  }
}

/** Makes renames inside a folder durable. Windows has no such call: a folder cannot be opened there. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** The checkpoints of one run, in one folder: `step-000100`, `step-000200`, …. */
export interface CheckpointStore {
  /** Writes a checkpoint and removes old ones; returns its folder. */
  save(checkpoint: Checkpoint): Promise<string>;
  /** The newest checkpoint that is whole, and sentences about newer ones that are not. */
  latest(): Promise<{
    readonly checkpoint?: Checkpoint;
    readonly path?: string;
    readonly notes: readonly string[];
  }>;
  /** What the newest checkpoint says of itself, without its weights; undefined where there is none that can be read. */
  newestManifest(): Promise<Omit<Checkpoint, "state"> | undefined>;
  /** The newest whole checkpoint at which no guard had fired. */
  latestGood(): Promise<Checkpoint | undefined>;
}

/**
 * Opens the checkpoints below `directory`. Kept are the newest `keep`, the best one (`progress.best`), and the newest good one.
 * Removing is renaming first, so that a checkpoint which is being removed is never taken for one.
 */
export function openCheckpointStore(directory: string, keep: number): CheckpointStore {
  const folderOf = (step: number) => join(directory, nameOf(step));
  return {
    save: async (checkpoint) => {
      const { step, best } = checkpoint.progress;
      await mkdir(directory, { recursive: true });
      await writeCheckpoint(folderOf(step), checkpoint);
      const steps = await savedSteps(directory);
      const kept = [...steps.slice(0, keep), best?.step, await newestGood(steps, folderOf)];
      await prune(directory, new Set(kept.map((one) => (one === undefined ? "" : nameOf(one)))));
      return folderOf(step);
    },
    latest: async () => {
      const notes: string[] = [];
      for (const step of await savedSteps(directory)) {
        try {
          return { checkpoint: await readCheckpoint(folderOf(step)), path: folderOf(step), notes };
        } catch (cause) {
          const reason = cause instanceof Error ? cause.message : String(cause);
          notes.push(`The checkpoint ${nameOf(step)} cannot be used: ${reason}`);
        }
      }
      return { notes };
    },
    newestManifest: async () => {
      for (const step of await savedSteps(directory)) {
        const manifest = await readManifest(folderOf(step)).catch(() => undefined);
        if (manifest) return manifest;
      }
      return undefined;
    },
    latestGood: async () => {
      for (const step of await savedSteps(directory)) {
        const checkpoint = await readCheckpoint(folderOf(step)).catch(() => undefined);
        if (checkpoint?.isGood) return checkpoint;
      }
      return undefined;
    },
  };
}

const checkpointName = /^step-\d{6,}$/;

function nameOf(step: number): string {
  return `step-${String(step).padStart(6, "0")}`;
}

/** Steps that have a checkpoint, newest first. */
async function savedSteps(directory: string): Promise<number[]> {
  const names = await readdir(directory).catch(() => []);
  const steps = names.filter((name) => checkpointName.test(name)).map((name) => Number(name.slice(5)));
  return steps.sort((a, b) => b - a);
}

async function newestGood(
  steps: readonly number[],
  folderOf: (step: number) => string,
): Promise<number | undefined> {
  for (const step of steps) {
    const manifest = await readManifest(folderOf(step)).catch(() => undefined);
    if (manifest?.isGood) return step;
  }
  return undefined;
}

/** Removes checkpoints that are not `kept`, and what killed processes left. */
async function prune(directory: string, kept: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(directory)) {
    const isLeftover = /^\.(removing|writing)-/.test(name);
    const isOld = checkpointName.test(name) && !kept.has(name);
    if (!isLeftover && !isOld) continue;
    const doomed = join(directory, isOld ? `.removing-${name}` : name);
    if (isOld) await rename(join(directory, name), doomed);
    await rm(doomed, { recursive: true, force: true });
  }
}
