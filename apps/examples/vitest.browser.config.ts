import { defineConfig } from "vitest/config";
import shared from "../../vitest.shared.ts";

/** The pure packages in an installed Chromium: `npm run test:browser`. */
export default defineConfig({
  ...shared,
  test: { ...shared.test, include: ["test/browser/**/*.test.ts"], exclude: [], reporters: ["default"] },
});
