import { defineConfig } from "vitest/config";

/** From the root, one file of any package: `npx vitest run packages/grpo/test/kl.test.ts`. Each package has a configuration of its own. */
export default defineConfig({
  test: { projects: ["packages/*/vitest.config.ts", "apps/*/vitest.config.ts"] },
});
