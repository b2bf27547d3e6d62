import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { serveRegistry } from "./registry.ts";
import { createStranger, sizeOf, tool } from "./stranger.ts";

// Each package alone: what it costs, and that it works without the others.

const registry = await serveRegistry(process.env["VLMR1_PACKED"]!);
const names = [...registry.packages.keys()].filter((name) => !name.startsWith("@vlmr1/onnxruntime-"));
const own = process.versions.node.split(".")[0]!;
const rows: string[] = [];

afterAll(async () => {
  console.log(["| package | installs | packages | seconds |", "|---|--:|--:|--:|", ...rows].join("\n"));
  await registry.close();
});

/** What a package may bring in all, in MB: tfjs-core is 38 of them, ONNX Runtime 46, sharp's libvips 18. */
const limits: Readonly<Record<string, number>> = {
  "@vlmr1/core": 1,
  "@vlmr1/eval": 2,
  "@vlmr1/rewards": 3,
  "@vlmr1/data": 60,
  "@vlmr1/mpi": 10,
  "@vlmr1/policy": 60,
  "@vlmr1/grpo": 60,
  "@vlmr1/engine": 120,
  "@vlmr1/model": 150,
  vlmr1: 220,
};

test.each(names)("%s installs alone, loads, and stays within its limit", async (name) => {
  const stranger = await createStranger(own, registry.url);
  const started = performance.now();
  await stranger.run("npm", "install", name);
  const seconds = (performance.now() - started) / 1000;
  const megabytes = (await sizeOf(join(stranger.folder, "node_modules"))) / 1e6;
  rows.push(
    `| ${name} | ${megabytes.toFixed(1)} MB | ${await countPackages(stranger.folder)} | ${seconds.toFixed(0)} |`,
  );
  if (registry.packages.get(name)!.manifest.exports) {
    await writeFile(join(stranger.folder, "load.mjs"), `await import("${name}");\n`);
    await stranger.run("node", "load.mjs");
  }
  expect(megabytes).toBeLessThan(limits[name] ?? 0);
});

const engineProgram = `
  import * as tf from "@tensorflow/tfjs-core";
  import { openEngine, grad } from "@vlmr1/engine";
  const engine = await openEngine();
  const slope = engine.compile(grad((x) => tf.sum(tf.square(x))));
  console.log(Array.from(await (await slope(engine.tensor(Float32Array.of(1, 2, 3)))).read()).join());
  await engine.dispose();
`;

test.each([
  ["npm", "npm install"],
  ["pnpm", "pnpm add"],
  ["bun", "bun add"],
])("the engine computes after a plain install with %s", async (client, command) => {
  const stranger = await createStranger(own, registry.url);
  const [, verb = ""] = command.split(" ");
  const packages = { npm: [], pnpm: ["pnpm@10"], bun: ["bun@1"] }[client]!;
  const folder = packages.length === 0 ? "" : await tool(client, ...packages);
  const program = folder === "" ? client : join(folder, "node_modules/.bin", client);
  await writeFile(join(stranger.folder, "bunfig.toml"), `[install]\nregistry = "${registry.url}"\n`);
  await stranger.run(program, verb, "@vlmr1/engine", "@tensorflow/tfjs-core@4");
  await writeFile(join(stranger.folder, "slope.mjs"), engineProgram);
  expect((await stranger.run("node", "slope.mjs")).trim()).toBe("2,4,6");
});

/** Packages in node_modules, those inside others included. */
async function countPackages(folder: string): Promise<number> {
  const entries = await readdir(join(folder, "node_modules"), { recursive: true });
  return entries.filter((path) =>
    /(^|node_modules[\\/])(@[^\\/]+[\\/])?[^\\/@]+[\\/]package\.json$/.test(path),
  ).length;
}
