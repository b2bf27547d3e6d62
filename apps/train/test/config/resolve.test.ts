import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { resolveConfig } from "../../src/config/resolve.ts";
import { configOptions } from "../../src/config/options.ts";
import { RunConfig } from "../../src/config/run-config.ts";

const given = (
  flags: Record<string, unknown>,
  extras: Record<string, unknown> = {},
  settings: string[] = [],
) => ({
  options: configOptions(RunConfig),
  flags,
  settings,
  extras,
});

test("the learning rate follows what is trained, unless it is given", () => {
  const rate = (flags: Record<string, unknown>) =>
    resolveConfig(given({ model: "some-folder", ...flags }), "grpo").config.grpo.learningRate;
  expect(rate({})).toBe(1e-5);
  expect(rate({ train: "all" })).toBe(1e-6);
  expect(rate({ train: "all", "grpo.learningRate": "0.5" })).toBe(0.5);
});

test("the built-in model on drawn scenes starts from the demo's recipe; other data does not inherit its scenes", () => {
  expect(resolveConfig(given({}), "grpo").config).toMatchObject({
    train: "language",
    heldOut: "new-scenes",
    rewards: ["iou-at-least:0.5", "0.2*format"],
    grpo: { learningRate: 4e-4 },
  });
  const { config } = resolveConfig(given({ dataset: "refcoco", data: "somewhere" }), "grpo");
  expect([config.heldOut, config.rewards]).toEqual([undefined, undefined]);
});

test("--resume takes the configuration of the run that it continues, and flags still win", () => {
  const folder = mkdtempSync(join(tmpdir(), "vlmr1-resume-"));
  writeFileSync(
    join(folder, "config.json"),
    JSON.stringify({ model: "a-folder", grpo: { groupSize: 3, steps: 9 } }),
  );
  const { config, resume, directory } = resolveConfig(
    given({ "grpo.steps": "12" }, { resume: folder }),
    "grpo",
  );
  expect([config.model, config.grpo.groupSize, config.grpo.steps, resume, directory]).toEqual([
    "a-folder",
    3,
    12,
    true,
    folder,
  ]);
});

test("what cannot be resumed is refused with the way out", () => {
  expect(() => resolveConfig(given({}, { resume: true }), "grpo")).toThrow("--resume runs/grpo");
  expect(() => resolveConfig(given({}, { resume: join(tmpdir(), "no-such-run") }), "grpo")).toThrow(
    "there is no run",
  );
});

test("a resolved configuration resolves to itself", () => {
  const { config } = resolveConfig(
    given({ loss: "dapo", "lossOptions.clipHigh": "0.28", "grpo.schedule.shape": "cosine" }),
    "grpo",
  );
  expect(RunConfig.parse(JSON.parse(JSON.stringify(config)))).toEqual(config);
});

test("the recipe's multipliers for single parameters are for those parameters only", () => {
  const rates = (train: string) => resolveConfig(given({ train }), "grpo").config.optimizerOptions.rates;
  expect(rates("lora")).toBeUndefined();
  expect(Object.keys(rates("all") ?? {})).toHaveLength(2);
});

test("drawn scenes of every task get rules that their truth can feed", () => {
  const rewards = (task: string) => resolveConfig(given({ "scenes.task": task }), "grpo").config.rewards;
  expect(rewards("referring")).toEqual(["iou-at-least:0.5", "0.2*format"]);
  for (const task of ["counting", "yes-no", "detection"]) expect(rewards(task)).toBeUndefined();
});

test("--resume does not run modules that the folder names, unless the command line names them too", () => {
  const folder = mkdtempSync(join(tmpdir(), "vlmr1-foreign-"));
  writeFileSync(
    join(folder, "config.json"),
    JSON.stringify({ rewards: ["0.5*./evil.mjs#reward", "format"] }),
  );
  expect(() => resolveConfig(given({}, { resume: folder }), "grpo")).toThrow(
    /names code, .*\.\/evil\.mjs#reward.*repeat/,
  );
  const repeated = given({ rewards: ["0.5*./evil.mjs#reward", "format"] }, { resume: folder });
  expect(resolveConfig(repeated, "grpo").config.rewards).toHaveLength(2);
});
