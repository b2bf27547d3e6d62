import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { readCheckpoint, readManifest, writeCheckpoint, type Checkpoint } from "./checkpoint.ts";

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
