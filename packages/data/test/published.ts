import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { VlmR1Error, type Dataset, type Sample } from "@vlmr1/core";
import { onTestFinished } from "vitest";

/** Small files in the published formats, written by the reference tools (fixtures/make-published.py). */
export const published = fileURLToPath(new URL("fixtures/published", import.meta.url));

/** The folder of COCO images among them. */
export const train2014 = join(published, "images/mscoco/images/train2014");

/** A copy of a published folder that a test may damage. */
export async function copyOf(...folders: readonly string[]): Promise<string> {
  const copy = await temporaryFolder();
  for (const folder of folders) await cp(join(published, folder), join(copy, folder), { recursive: true });
  return copy;
}

/** An empty folder that is gone after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "vlmr1-data-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Every sample of a dataset. */
export async function all<Target>(dataset: Dataset<Target>): Promise<Sample<Target>[]> {
  const samples: Sample<Target>[] = [];
  for (let index = 0; index < dataset.length; index++) samples.push(await dataset.get(index));
  return samples;
}

/** The code and message of the VlmR1Error that `run` ends with; any other end fails the test. */
export async function refusal(run: () => unknown): Promise<string> {
  try {
    await run();
  } catch (error) {
    if (VlmR1Error.is(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
  throw new Error("nothing was refused");
}
