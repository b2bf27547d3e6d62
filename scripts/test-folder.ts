import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Gives a run of tests a temporary folder of its own, and removes it afterwards: whatever a test, or a program that it started, leaves
 * behind goes with it. The name holds the process, so that `count-tests.mjs` finds the folders of runs that are over.
 */
export default function setup(): () => void {
  const folder = mkdtempSync(join(tmpdir(), `vlmr1-tests-${process.pid}-`));
  const before = { TMPDIR: process.env["TMPDIR"], TEMP: process.env["TEMP"], TMP: process.env["TMP"] };
  for (const name of Object.keys(before)) process.env[name] = folder;
  return () => {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    if (existsSync(folder))
      throw new Error(`${folder} came back: a process that a test started still writes to it.`);
  };
}
