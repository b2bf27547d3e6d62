import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { claimRunFolder, writeWhole } from "../../src/run/claim.ts";

const folder = () => mkdtempSync(join(tmpdir(), "vlmr1-claim-"));
const fresh = { resume: false, overwrite: false, command: "grpo" };
const lockOf = (directory: string) => join(directory, "run.lock");

test("a folder is claimed once, given back, and claimed again", () => {
  const directory = join(folder(), "new");
  const claim = claimRunFolder(directory, fresh);
  expect(() => claimRunFolder(directory, fresh)).toThrow(
    new RegExp(`process ${process.pid} on .* is writing to this run folder`),
  );
  claim.release();
  expect(readdirSync(directory)).toEqual([]);
  claimRunFolder(directory, fresh).release();
});

test("the lock of a process that is gone is taken over; one of another machine is not, nor one that cannot be read twice", () => {
  const directory = folder();
  const gone = 2 ** 22 + 1; // above any process number of Linux
  writeFileSync(lockOf(directory), JSON.stringify({ pid: gone, host: hostname() }));
  claimRunFolder(directory, fresh).release();
  writeFileSync(lockOf(directory), "cut o");
  claimRunFolder(directory, fresh).release();
  writeFileSync(lockOf(directory), JSON.stringify({ pid: gone, host: "elsewhere" }));
  expect(() => claimRunFolder(directory, fresh)).toThrow(/process \d+ on elsewhere .*remove .*run\.lock/);
});

test("of many processes that find a stale lock at once, one gets the folder", async () => {
  const directory = folder();
  writeFileSync(lockOf(directory), JSON.stringify({ pid: 2 ** 22 + 1, host: hostname() }));
  const source = new URL("../../src/run/claim.ts", import.meta.url).href;
  const program = `
    const { claimRunFolder } = await import(${JSON.stringify(source)});
    try { claimRunFolder(${JSON.stringify(directory)}, ${JSON.stringify(fresh)}); process.stdout.write("mine"); } catch { process.stdout.write("refused"); }
    await new Promise((end) => setTimeout(end, 4000));`;
  const flags = ["--conditions=@vlmr1/source", "--import", "tsx", "--input-type=module", "--eval", program];
  const said = await Promise.all(
    Array.from({ length: 4 }, async () => (await promisify(execFile)(process.execPath, flags)).stdout),
  );
  expect(said.toSorted()).toEqual(["mine", "refused", "refused", "refused"]);
});

test("a folder with a run in it is refused with the three ways out, and loses nothing", () => {
  const directory = folder();
  writeFileSync(join(directory, "events.jsonl"), "{}\n");
  writeFileSync(join(directory, "notes.txt"), "mine");
  mkdirSync(join(directory, "checkpoints"));
  expect(() => claimRunFolder(directory, fresh)).toThrow(/grpo --resume .*--out.*--overwrite/s);
  expect(existsSync(join(directory, "events.jsonl"))).toBe(true);
  claimRunFolder(directory, { ...fresh, resume: true }).release();
  expect(existsSync(join(directory, "checkpoints"))).toBe(true);
  claimRunFolder(directory, { ...fresh, overwrite: true }).release();
  expect(readdirSync(directory)).toEqual(["notes.txt"]); // what is not the program's own stays
});

test("a folder that cannot be made or written is a named error", () => {
  const file = join(folder(), "file");
  writeFileSync(file, "");
  for (const directory of [file, join(file, "below")])
    expect(() => claimRunFolder(directory, fresh)).toThrow(
      /Nothing can be written to the run folder .*--out/,
    );
});

test("a file is written whole or not at all", () => {
  const directory = folder();
  const path = join(directory, "config.json");
  writeWhole(path, "one");
  writeWhole(path, "two");
  expect(readFileSync(path, "utf8")).toBe("two");
  expect(() => writeWhole(join(directory, "none", "x"), "one")).toThrow("ENOENT");
  expect(readdirSync(directory)).toEqual(["config.json"]);
});
