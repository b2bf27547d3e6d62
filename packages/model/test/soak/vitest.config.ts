import { defineConfig } from "vitest/config";

/** Tests at full size: minutes, not part of `npm test`. */
export default defineConfig({
  ssr: { resolve: { conditions: ["@vlmr1/source", "module", "node", "development|production"] } },
  test: {
    include: ["test/soak/**/*.test.ts"],
    testTimeout: 1_800_000,
    pool: "forks",
    execArgv: ["--expose-gc"],
  },
});
