import { defineConfig } from "vitest/config";

/** The contract suite once more, on the plugin that `test/pjrt/run.mjs` set up. */
export default defineConfig({
  ssr: { resolve: { conditions: ["@vlmr1/source", "module", "node", "development|production"] } },
  test: {
    include: [
      "contract",
      "engine",
      "transforms",
      "train-step",
      "random-graphs",
      "pjrt/pjrt",
      "pjrt/leak",
    ].map((name) => `test/${name}.test.ts`),
    testTimeout: 600_000,
    hookTimeout: 60_000,
  },
});
