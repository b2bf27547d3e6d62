import { defineConfig } from "tsup";

export default defineConfig({
  entry: { index: "src/index.ts", "cpu-worker": "src/cpu/cpu-worker.ts" },
  format: "esm",
  dts: { compilerOptions: { customConditions: [] } },
  sourcemap: true,
  clean: true,
  target: "node20",
});
