import { defineConfig } from "vitest/config";

/** Packs the packages and uses them as a stranger would; needs the npm registry. */
export default defineConfig({ test: { include: ["test/packed/**/*.test.ts"], testTimeout: 600_000 } });
