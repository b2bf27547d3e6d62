import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test, vi } from "vitest";

const folder = fileURLToPath(new URL("../src/", import.meta.url));
const names = readdirSync(folder).filter((name) => name.endsWith(".ts") && !name.startsWith("grpo-"));

test("there is one example for each kind of pipeline", () => {
  expect(names).toEqual(["custom-reward.ts", "detection.ts", "reasoning.ts", "rec.ts", "remote-sampler.ts"]);
});

test.each(names)("%s is a whole pipeline in under 40 lines, and runs", async (name) => {
  const lines = readFileSync(folder + name, "utf8").split("\n");
  expect(lines.filter((line) => line.trim() !== "" && !line.trim().startsWith("//")).length).toBeLessThan(40);
  const log = vi.spyOn(console, "log").mockImplementation(() => undefined);
  await import(folder + name);
  expect(log).toHaveBeenCalled();
  log.mockRestore();
});
