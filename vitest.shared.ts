import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** Every package's tests run from source: the `@vlmr1/source` condition resolves workspace packages without a build. */
export default defineConfig({
  ssr: { resolve: { conditions: ["@vlmr1/source", "module", "node", "development|production"] } },
  test: {
    include: ["test/**/*.test.ts"],
    exclude: [
      "test/soak/**",
      "test/browser/**",
      "test/pjrt/**",
      "test/tensorflow/**",
      "test/packed/**",
      "test/mpi/**",
      "**/node_modules/**",
    ],
    globalSetup: fileURLToPath(new URL("scripts/test-folder.ts", import.meta.url)),
    testTimeout: 60_000,
    reporters: ["default", ["json", { outputFile: "test-report.json" }]],
  },
});
