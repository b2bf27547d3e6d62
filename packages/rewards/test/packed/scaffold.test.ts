import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = resolve(import.meta.dirname, "../../../..");
const packages = ["core", "eval", "rewards"];
let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "vlmr1-packed-"));
  for (const name of packages) {
    const directory = join(root, "packages", name);
    await run("npx", ["tsup"], directory);
    await run("npx", ["pnpm", "pack", "--pack-destination", folder], directory);
  }
}, 600_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

test("a stranger scaffolds, type-checks, tests, builds and packs a reward with the packed packages and plain npm", async () => {
  const tarballs = (await readdir(folder))
    .filter((name) => name.endsWith(".tgz"))
    .map((name) => join(folder, name));
  expect(tarballs).toHaveLength(packages.length);
  await writeFile(join(folder, "package.json"), '{ "name": "stranger", "private": true }\n');
  await run("npm", ["install", "--no-audit", "--no-fund", ...tarballs], folder);
  await run("npx", ["--no-install", "vlmr1-new-reward", "my-reward"], folder);
  const reward = join(folder, "my-reward");
  await run("npm", ["install", "--no-audit", "--no-fund", ...tarballs], reward);
  await run("npm", ["run", "typecheck"], reward);
  const tested = await run("npm", ["test"], reward);
  expect(tested).toMatch(/3 passed/);
  await run("npm", ["run", "build"], reward);
  expect(existsSync(join(reward, "dist/index.d.ts"))).toBe(true);
  await run("npm", ["pack", "--dry-run"], reward);
});

test("the scaffold refuses a folder with something in it and a name that npm would refuse", async () => {
  await expect(run("npx", ["--no-install", "vlmr1-new-reward", "my-reward"], folder)).rejects.toThrow(
    /is not empty/,
  );
  await expect(run("npx", ["--no-install", "vlmr1-new-reward", "My Reward"], folder)).rejects.toThrow(
    /npm name/,
  );
});

/** Runs a program outside the workspace's environment; its output is the error's message when it fails. */
async function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  const environment = Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !name.startsWith("npm_") && !name.startsWith("VITEST") && name !== "NODE_OPTIONS",
    ),
  );
  try {
    const { stdout, stderr } = await promisify(execFile)(command, args, {
      cwd,
      env: environment,
      maxBuffer: 1 << 26,
    });
    return stdout + stderr;
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    throw new Error(`${command} ${args.join(" ")} failed:\n${stdout}\n${stderr}`, { cause: error });
  }
}
