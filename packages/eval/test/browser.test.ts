import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

/** Every module that `entry` imports, itself included, followed through the files of this repository. */
function importedBy(entry: string, seen = new Set<string>()): Set<string> {
  if (seen.has(entry)) return seen;
  seen.add(entry);
  if (!entry.startsWith("file:")) return seen;
  const text = readFileSync(fileURLToPath(entry), "utf8");
  for (const [, name] of text.matchAll(/^(?:import|export) (?!type\b)[^;]*?from "([^"]+)";/gm)) {
    const isOwn = name!.startsWith(".") || name!.startsWith("@vlmr1/");
    importedBy(isOwn ? import.meta.resolve(name!, entry) : name!, seen);
  }
  return seen;
}

test("everything but the files subpath needs nothing of Node: it bundles for browsers and workers", () => {
  const modules = [...importedBy(new URL("../src/index.ts", import.meta.url).href)];
  expect(modules.filter((name) => !name.startsWith("file:"))).toEqual([]);
  expect(modules.length).toBeGreaterThan(15);
  const files = [...importedBy(new URL("../src/files.ts", import.meta.url).href)];
  expect(files.some((name) => name.startsWith("node:"))).toBe(true); // so the search finds what it looks for
});
