import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readFences } from "../fences.ts";
import { serveRegistry, type Manifest } from "./registry.ts";
import { createStranger, installScripts, wantedNodes, type Stranger } from "./stranger.ts";

// The packages as their users get them: packed, served by a registry of our own, installed with plain npm into an empty folder. `npm run
// test:packed` builds and packs first, and says for which versions of Node; nothing but the registry can be reached.

const registry = await serveRegistry(process.env["VLMR1_PACKED"]!);
afterAll(() => registry.close());

const manifests = [...registry.packages.values()].map(({ manifest }) => manifest);
const libraries = manifests.filter(({ exports }) => exports !== undefined);
const apps = manifests.filter(({ exports, bin }) => exports === undefined && bin !== undefined);
const runtimes = manifests.filter(({ name }) => name.startsWith("@vlmr1/onnxruntime-"));
/** What the documentation's examples import beside the packages. */
const besides = ["@tensorflow/tfjs-core@4", "@tensorflow/tfjs-backend-cpu@4"];

/** Every path that users import: `@vlmr1/rewards`, `@vlmr1/rewards/testing`, … */
const entries = libraries.flatMap(({ name, exports }) =>
  Object.keys(exports!)
    .filter((path) => path !== "./package.json")
    .map((path) => name + path.slice(1)),
);

test.each(manifests.map(({ name }) => name))("the tarball of %s has its papers, and no tests", (name) => {
  const { files, manifest } = registry.packages.get(name)!;
  for (const paper of ["README.md", "LICENSE", ...(runtimes.includes(manifest) ? [] : ["NOTICE"])])
    expect(files).toContain(`package/${paper}`);
  expect(files.filter((file) => /\.test\.[jt]s$|node_modules|test-report/.test(file))).toEqual([]);
  for (const field of ["description", "keywords", "homepage", "bugs", "author", "repository", "license"])
    expect(manifest, `${name} says its ${field}`).toHaveProperty(field);
});

describe.each(wantedNodes())("Node %s", (major) => {
  let stranger: Stranger;
  beforeAll(async () => {
    stranger = await createStranger(major, registry.url);
    await stranger.run("npm", "install", ...[...libraries, ...apps].map(({ name }) => name), ...besides);
  });

  test("npm installs every package without flags, and no script that it runs needs a network", async () => {
    expect(stranger.node).toMatch(new RegExp(`^v${major}\\.`));
    // koffi and sharp look for the library of this platform that npm has just installed. See docs/decisions.
    const harmless = ["koffi", "sharp"];
    expect((await installScripts(stranger.folder)).filter((name) => !harmless.includes(name))).toEqual([]);
  });

  test.each(["import", "require"] as const)("%s gets every export of every package", async (way) => {
    const load = (entry: string): string =>
      way === "import" ? `await import("${entry}")` : `require("${entry}")`;
    // @vlmr1/rewards/testing registers tests with vitest, which the writer of a reward has.
    const loadable = entries.filter((entry) => entry !== "@vlmr1/rewards/testing");
    const lines = loadable.map((entry) => `console.log("${entry}", Object.keys(${load(entry)}).length);`);
    const file = way === "import" ? "load.mjs" : "load.cjs";
    await writeFile(join(stranger.folder, file), lines.join("\n"));
    const output = await stranger.run("node", file);
    for (const entry of loadable) expect(output).toMatch(new RegExp(`^${entry} [0-9]+$`, "m"));
  });

  const fences = readFences().filter(({ runs, page }) => runs && page.endsWith("README.md"));
  test.each(fences)("$name runs", async ({ file, code }) => {
    const { outputText } = ts.transpileModule(code, {
      compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext },
    });
    await writeFile(join(stranger.folder, `${file}.mjs`), outputText);
    await stranger.run("node", `${file}.mjs`);
  });

  test("the app finds its nano model: it points at the right object more often than random weights do", async () => {
    expect((await stranger.run("npx", "vlmr1", "--version")).trim()).toBe(versionOf("vlmr1"));
    const nano = ["--model", "nano", "--limit", "300", "--json", "--out", "nano"];
    const output = await stranger.run("npx", "vlmr1", "eval", "model", ...nano);
    const { totals } = JSON.parse(output.split("\n").find((line) => line.startsWith("{"))!) as {
      totals: { accuracy: { mean: number } };
    };
    expect(totals.accuracy.mean).toBeGreaterThan(0.2);
  });
});

describe("types", () => {
  let stranger: Stranger;
  beforeAll(async () => {
    stranger = await createStranger(wantedNodes()[0]!, registry.url);
    const needed = ["typescript@5", "@types/node@20", "vitest@4"]; // vitest: @vlmr1/rewards/testing speaks of it
    await stranger.run("npm", "install", ...libraries.map(({ name }) => name), ...besides, ...needed);
  });

  test.each([
    { module: "nodenext", moduleResolution: "nodenext" },
    { module: "esnext", moduleResolution: "bundler" },
  ])("every example of the documentation type-checks with $moduleResolution", async (resolution) => {
    const folder = join(stranger.folder, resolution.moduleResolution);
    await mkdir(folder);
    for (const { file, code } of readFences()) await writeFile(join(folder, `${file}.mts`), code);
    const imports = entries.map((entry, index) => `export * as entry${index} from "${entry}";`);
    await writeFile(join(folder, "entries.mts"), imports.join("\n"));
    const strict = { strict: true, noEmit: true, skipLibCheck: true, target: "es2023", types: ["node"] };
    const config = { compilerOptions: { ...strict, ...resolution }, include: ["*.mts"] };
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify(config));
    expect(await stranger.run("npx", "tsc", "-p", folder)).toBe("");
  });
});

test.runIf(process.env["VLMR1_PACKED_SCAFFOLD"] !== "no")(
  "a stranger scaffolds, type-checks, tests, builds and packs a reward",
  async () => {
    const stranger = await createStranger(wantedNodes()[0]!, registry.url);
    await stranger.run("npm", "install", "@vlmr1/rewards");
    await stranger.run("npx", "--no-install", "vlmr1-new-reward", "my-reward");
    const inReward = (...args: string[]): Promise<string> =>
      stranger.run("npm", "--prefix", "my-reward", ...args);
    await inReward("install");
    await inReward("run", "typecheck");
    expect(await inReward("test")).toMatch(/3 passed/);
    await inReward("run", "build");
    expect(await readFile(join(stranger.folder, "my-reward/dist/index.d.ts"), "utf8")).toContain("export");
    await stranger.run("npm", "pack", "--dry-run", "./my-reward");
    const again = stranger.run("npx", "--no-install", "vlmr1-new-reward", "my-reward");
    await expect(again).rejects.toThrow(/is not empty/);
    const misnamed = stranger.run("npx", "--no-install", "vlmr1-new-reward", "My Reward");
    await expect(misnamed).rejects.toThrow(/npm name/);
  },
);

function versionOf(name: string): string {
  return (registry.packages.get(name)!.manifest as Manifest).version;
}
