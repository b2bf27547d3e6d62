import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { readConfig } from "../../src/config/read-config.ts";
import { schemaLeaves } from "../../src/config/schema-leaves.ts";

const Example = z.strictObject({
  model: z.string().default("nano").describe("Folder of the checkpoint."),
  rewards: z.array(z.string()).default(["iou"]),
  grpo: z
    .strictObject({
      groupSize: z.int().min(2).default(8).describe("Answers per prompt."),
      loss: z.enum(["grpo", "dapo"]).default("grpo"),
      shuffle: z.boolean().default(true),
    })
    .prefault({}),
});
const file = (text: string): string => {
  const path = join(mkdtempSync(join(tmpdir(), "vlmr1-config-")), "run.json");
  writeFileSync(path, text);
  return path;
};

test("every leaf of the schema is an option with its flag, kind, default and choices", () => {
  expect(
    schemaLeaves(Example).map(({ flag, kind, fallback, choices }) => [flag, kind, fallback, choices]),
  ).toEqual([
    ["--model", "string", "nano", []],
    ["--rewards", "list", ["iou"], []],
    ["--group-size", "number", 8, []],
    ["--loss", "string", "grpo", ["grpo", "dapo"]],
    ["--shuffle", "boolean", true, []],
  ]);
});

test("settings win over flags, flags over the file, the file over the command's preset, that over defaults", () => {
  const path = file('{"model": "from-file", "grpo": {"groupSize": 3, "loss": "dapo"}}');
  const config = readConfig(Example, {
    preset: { model: "from-preset", rewards: ["format"], grpo: { groupSize: 2 } },
    file: path,
    flags: { "grpo.groupSize": "4" },
    settings: ["grpo.shuffle=false", "groupSize=5"],
  });
  expect(config).toEqual({
    model: "from-file",
    rewards: ["format"],
    grpo: { groupSize: 5, loss: "dapo", shuffle: false },
  });
});

test("lists come as commas or repeated flags", () => {
  expect(readConfig(Example, { flags: { rewards: "iou,format" } }).rewards).toEqual(["iou", "format"]);
  expect(readConfig(Example, { flags: { rewards: ["iou", "format,length"] } }).rewards).toEqual([
    "iou",
    "format",
    "length",
  ]);
});

test("what is wrong is named with its value and the way out", () => {
  expect(() => readConfig(Example, { flags: { "grpo.groupSize": "1" } })).toThrow(/grpo\.groupSize: .*>=2/);
  expect(() => readConfig(Example, { file: file('{"modle": 1}') })).toThrow(/modle/);
  expect(() => readConfig(Example, { file: file("{") })).toThrow("is not JSON");
  expect(() => readConfig(Example, { file: "nowhere.json" })).toThrow(
    "Cannot read the configuration file nowhere.json",
  );
  expect(() => readConfig(Example, { settings: ["size=3"] })).toThrow("Did you mean grpo.groupSize?");
  expect(() => readConfig(Example, { settings: ["nonsense"] })).toThrow(
    '--set takes key=value, got "nonsense"',
  );
});
