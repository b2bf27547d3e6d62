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
  const nameOf = (step: number) => `step-${String(step).padStart(6, "0")}`;
  const list = async (): Promise<number[]> => {
    const names = await readdir(directory).catch(() => []);
    const steps = names.flatMap((name) => (/^step-\d{6,}$/.test(name) ? [Number(name.slice(5))] : []));
    return steps.sort((a, b) => b - a);
  };
  const load = (step: number): Promise<Checkpoint> => readCheckpoint(join(directory, nameOf(step)));
  const newestGood = async (steps: readonly number[]): Promise<number | undefined> => {
    for (const step of steps) {
      const manifest = await readManifest(join(directory, nameOf(step))).catch(() => undefined);
      if (manifest?.isGood) return step;
    }
    return undefined;
  };
  const prune = async (bestStep: number | undefined): Promise<void> => {
    const steps = await list();
    const good = await newestGood(steps);
    const kept = new Set([...steps.slice(0, keep), ...(bestStep === undefined ? [] : [bestStep]), good]);
    for (const name of await readdir(directory)) {
      const isLeftover = /^\.(removing|writing)-/.test(name);
      const isOld = /^step-\d{6,}$/.test(name) && !kept.has(Number(name.slice(5)));
      if (!isLeftover && !isOld) continue;
      const doomed = isOld ? join(directory, `.removing-${name}`) : join(directory, name);
      if (isOld) await rename(join(directory, name), doomed);
      await rm(doomed, { recursive: true, force: true });
    }
  };
  return {
    save: async (checkpoint) => {
      const { step, best } = checkpoint.progress;
      const path = join(directory, nameOf(step));
      await mkdir(directory, { recursive: true });
      await writeCheckpoint(path, checkpoint);
      await prune(best?.step);
      return path;
    },
    latest: async () => {
      const notes: string[] = [];
      for (const step of await list()) {
        try {
          return { checkpoint: await load(step), path: join(directory, nameOf(step)), notes };
        } catch (cause) {
          notes.push(
            `The checkpoint ${nameOf(step)} cannot be used: ${cause instanceof Error ? cause.message : cause}`,
          );
        }
      }
      return { notes };
    },
    latestGood: async () => {
      for (const step of await list()) {
        const checkpoint = await load(step).catch(() => undefined);
        if (checkpoint?.isGood) return checkpoint;
      }
      return undefined;
    },
  };
}
