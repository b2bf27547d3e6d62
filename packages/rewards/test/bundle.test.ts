import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { expect, test } from "vitest";

/** The size in bytes of a browser's bundle with these exports of the package, minified and gzipped. */
async function bundled(names: string): Promise<number> {
  const { outputFiles } = await build({
    stdin: {
      contents: `export { ${names} } from "./index.ts";`,
      resolveDir: new URL("../src", import.meta.url).pathname,
    },
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    charset: "utf8",
    target: "es2022",
    platform: "browser",
    conditions: ["@vlmr1/source"],
  });
  return gzipSync(outputFiles[0]?.contents ?? "").length;
}

test.each([
  ["iouReward", 5000],
  ["odLengthReward", 7000],
  ["formatReward", 1000],
  ["choiceReward", 3500],
  ["mathReward", 15_000],
])("%s alone is below %i bytes in a browser", async (name, most) => {
  const size = await bundled(name);
  expect(size).toBeGreaterThan(200);
  expect(size).toBeLessThan(most);
});
