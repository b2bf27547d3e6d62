import { defineConfig } from "tsup";

export default defineConfig({
  entry: {
    index: "src/index.ts",
    "cpu-worker": "src/cpu/cpu-worker.ts",
    // From source, the whole of @tensorflow/tfjs registers the gradients (see "imports" in package.json). It is 130 MB of which nothing
    // else is used, so the published package carries tfjs-core's own file. Its registry is global: whose copy fills it is all the same.
    "tfjs-gradients": "node_modules/@tensorflow/tfjs-core/dist/register_all_gradients.js",
  },
  external: ["#tfjs-gradients"],
  format: "esm",
  dts: { entry: "src/index.ts", compilerOptions: { customConditions: [] } },
  sourcemap: true,
  clean: true,
  target: "node20",
  esbuildOptions: (options) => {
    options.legalComments = "eof";
  },
});
