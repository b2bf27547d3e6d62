import { defineConfig, mergeConfig } from "vitest/config";
import shared from "../../vitest.shared.ts";

/** The tests that start real ranks; `test/mpi/run.mjs` installs the MPI libraries first. */
const config = mergeConfig(shared, defineConfig({ test: { fileParallelism: false, testTimeout: 180_000 } }));
config.test.include = ["test/mpi/**/*.test.ts"];
config.test.exclude = ["**/node_modules/**"];
config.test.reporters = ["default", ["json", { outputFile: "test-report-mpi.json" }]];

export default config;
