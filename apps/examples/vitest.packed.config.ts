import { defineConfig } from "vitest/config";

/** Uses the packages as a stranger would; needs the npm registry. Started by `npm run test:packed`. */
export default defineConfig({
  test: {
    include: ["test/packed/**/*.test.ts"],
    testTimeout: 600_000,
    hookTimeout: 600_000,
    fileParallelism: false,
  },
});
