import { defineConfig } from "vitest/config";

/** The tests that take minutes: `pnpm --filter @vlmr1/grpo test:soak`. */
export default defineConfig({
  ssr: { resolve: { conditions: ["@vlmr1/source", "module", "node", "development|production"] } },
  test: { include: ["test/soak/**/*.test.ts"], reporters: ["default"] },
});
