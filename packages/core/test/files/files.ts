import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { VlmR1Error } from "../../src/index.ts";

/** An empty folder that is gone after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "vlmr1-core-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
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
