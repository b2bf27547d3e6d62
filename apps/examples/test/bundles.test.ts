import { builtinModules } from "node:module";
import { afterAll, expect, test } from "vitest";
import { browserPrograms, bundleForBrowser } from "./bundle.ts";

// Rewards, metrics and losses are pure: they run in browsers and workers, and small.

const folder = import.meta.dirname;
const sizes: string[] = [];
afterAll(() => console.log(["| bundle | gzipped |", "|---|--:|", ...sizes].join("\n")));

test.each(Object.entries(browserPrograms))("%s bundles for browsers", async (name, { program, limit }) => {
  const { code, gzipped } = await bundleForBrowser(program, { folder, conditions: ["@vlmr1/source"] });
  sizes.push(`| ${name} | ${(gzipped / 1000).toFixed(1)} kB |`);
  expect(gzipped).toBeLessThan(limit);
  for (const name of ["node:", ...builtinModules.filter((module) => module.includes("/"))])
    expect(code).not.toContain(`"${name}`);
});
