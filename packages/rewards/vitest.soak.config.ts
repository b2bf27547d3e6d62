import { defineConfig } from "vitest/config";

/** The same tests at full size: a million random completions, a megabyte of everything hostile. */
export default defineConfig({
  ssr: { resolve: { conditions: ["@vlmr1/source", "module", "node", "development|production"] } },
  test: { include: ["test/soak/**/*.test.ts"], testTimeout: 3_600_000 },
});
