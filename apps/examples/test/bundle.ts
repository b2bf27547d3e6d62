import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** Bundles a program for browsers, minified. Anything of Node in it is an error that names the import. */
export async function bundleForBrowser(
  program: string,
  { folder, conditions = [] }: { readonly folder: string; readonly conditions?: readonly string[] },
): Promise<{ readonly code: string; readonly gzipped: number }> {
  const { outputFiles } = await build({
    stdin: { contents: program, resolveDir: folder, loader: "ts" },
    bundle: true,
    minify: true,
    write: false,
    platform: "browser",
    format: "esm",
    target: "es2023",
    conditions: [...conditions, "module"],
    logLevel: "silent",
  });
  const code = outputFiles[0]!.text;
  return { code, gzipped: gzipSync(code).length };
}

/** What people bundle, and how many bytes of it may arrive gzipped. TensorFlow.js's ops are most of the losses. */
export const browserPrograms: Readonly<Record<string, { readonly program: string; readonly limit: number }>> =
  {
    "one reward": { program: 'export { formatReward } from "@vlmr1/rewards";', limit: 5_000 },
    "one reward of boxes": { program: 'export { iouReward } from "@vlmr1/rewards";', limit: 5_000 },
    "one reward of mathematics": { program: 'export { mathReward } from "@vlmr1/rewards";', limit: 15_000 },
    "@vlmr1/core": { program: 'export * from "@vlmr1/core";', limit: 30_000 },
    "@vlmr1/eval": { program: 'export * from "@vlmr1/eval";', limit: 40_000 },
    "@vlmr1/rewards": { program: 'export * from "@vlmr1/rewards";', limit: 60_000 },
    "@vlmr1/rewards/vlm-r1": { program: 'export * from "@vlmr1/rewards/vlm-r1";', limit: 60_000 },
    "the losses of @vlmr1/grpo": { program: 'export * from "@vlmr1/grpo/losses";', limit: 140_000 },
  };
