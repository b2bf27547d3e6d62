import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { configurationPage } from "../../src/config/configuration-page.ts";
import { RunConfig } from "../../src/config/run-config.ts";
import { schemaLeaves } from "../../src/config/schema-leaves.ts";

const page = new URL("../../../../docs/configuration.md", import.meta.url);

test("the page lists every option", () => {
  const text = configurationPage(RunConfig);
  for (const { path } of schemaLeaves(RunConfig)) expect(text).toContain(`| \`${path.join(".")}\` |`);
});

test("docs/configuration.md is current (UPDATE_DOCS=1 writes it)", async () => {
  const text = configurationPage(RunConfig);
  if (process.env["UPDATE_DOCS"]) (await import("node:fs")).writeFileSync(page, text);
  expect(readFileSync(page, "utf8")).toBe(text);
});
