import { defineConfig } from "tsup";

export default defineConfig({
  entry: ["src/index.ts", "src/vlm-r1.ts", "src/testing.ts", "src/new-reward.ts"],
  format: "esm",
  dts: { compilerOptions: { customConditions: [] } },
  sourcemap: true,
  clean: true,
  target: "node20",
});
