import { mkdir, open, readdir, readFile, rename, rm, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import { VlmR1Error } from "@vlmr1/core";
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

const Manifest = z.object({
  format: z.literal("vlmr1-checkpoint-1"),
  progress: z.record(z.string(), z.unknown()),
  metrics: z.record(
    z.string(),
    z
      .number()
      .nullable()
      .transform((value) => value ?? NaN),
  ), // JSON has no NaN
  config: z.unknown(),
  isGood: z.boolean(),
  arrays: z.array(
    z.object({ name: z.string(), offset: z.int().min(0), length: z.int().min(0), crc32: z.int().min(0) }),
  ),
});

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
    const manifest = { format: "vlmr1-checkpoint-1", progress, metrics, config, isGood, arrays };
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

/** What a checkpoint says of itself, without its weights. Throws `invalid-data` when that is damaged. */
export async function readManifest(
  path: string,
): Promise<Omit<Checkpoint, "state"> & Pick<z.output<typeof Manifest>, "arrays">> {
  const manifest = Manifest.safeParse(JSON.parse(await readFile(join(path, manifestName), "utf8")));
  if (!manifest.success) {
    throw new VlmR1Error("invalid-data", `${join(path, manifestName)} is not a checkpoint's manifest.`);
  }
  const { progress, metrics, config, isGood, arrays } = manifest.data;
  return { progress: progress as unknown as Progress, metrics, config, isGood, arrays };
}

/** Reads a checkpoint back. Throws `invalid-data` when anything of it is missing, cut short or changed. */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const { arrays, ...rest } = await readManifest(path);
  const bytes = await readFile(join(path, stateName));
  const state = Object.fromEntries(
    arrays.map(({ name, offset, length, crc32: expected }) => {
      const part = bytes.subarray(offset, offset + 4 * length);
      if (part.length !== 4 * length || crc32(part) !== expected) {
        throw new VlmR1Error("invalid-data", `${join(path, stateName)} is damaged in the array ${name}.`);
      }
      const values = new Float32Array(length);
      new Uint8Array(values.buffer).set(part);
      return [name, values];
    }),
  );
  return { ...rest, state };
}

async function writeArrays(file: FileHandle, state: PolicyState) {
  const arrays: z.output<typeof Manifest>["arrays"] = [];
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

/** Makes renames inside a folder durable. */
async function syncFolder(path: string): Promise<void> {
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
