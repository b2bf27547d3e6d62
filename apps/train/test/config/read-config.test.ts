import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { configFlags, configOptions } from "../../src/config/options.ts";
import { readConfig, type ConfigSources } from "../../src/config/read-config.ts";

const Example = z.strictObject({
  model: z.string().default("nano").describe("Folder of the checkpoint."),
  rewards: z.array(z.string()).default(["iou"]),
  grpo: z
    .strictObject({
      groupSize: z.int().min(2).default(8).describe("Answers per prompt."),
      loss: z.enum(["grpo", "dapo"]).default("grpo"),
      shuffle: z.boolean().default(true),
      betas: z.tuple([z.number().min(0).lt(1), z.number()]).optional(),
    })
    .prefault({}),
});
const flags = configFlags(Example, { without: [], plain: ["grpo"] });
const read = (sources: ConfigSources) => readConfig(Example, flags, sources);
const file = (text: string, name = "run.json"): string => {
  const path = join(mkdtempSync(join(tmpdir(), "vlmr1-config-")), name);
  writeFileSync(path, text);
  return path;
};

test("every leaf of the schema is an option with its flag, kind, default and choices", () => {
  expect(flags.map(({ flag, kind, fallback, choices }) => [flag, kind, fallback, choices])).toEqual([
    ["--model", "string", "nano", []],
    ["--reward", "list", ["iou"], []],
    ["--group-size", "number", 8, []],
    ["--loss", "string", "grpo", ["grpo", "dapo"]],
    ["--shuffle", "boolean", true, []],
    ["--betas", "list", undefined, []],
  ]);
  expect(configOptions(Example).map(({ takes }) => takes)).toEqual([
    "a text",
    "a list with commas",
    "a whole number of at least 2",
    "one of grpo, dapo",
    "true or false",
    "2 values with commas, each a number of at least 0 and below 1",
  ]);
});

test("settings win over flags, flags over the file, the file over the command's preset, that over defaults", () => {
  const path = file('{"model": "from-file", "grpo": {"groupSize": 3, "loss": "dapo"}}');
  const config = read({
    preset: ({ said, value }) => ({
      model: `${String(said("model"))} ${String(value("grpo.loss"))}`,
      rewards: ["format"],
      grpo: { groupSize: 2 },
    }),
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
  expect(read({ flags: { rewards: "iou,format" } }).rewards).toEqual(["iou", "format"]);
  expect(read({ flags: { rewards: ["iou", "format,length"] } }).rewards).toEqual(["iou", "format", "length"]);
});

test("numbers in lists are numbers, with commas as in JSON", () => {
  expect(read({ flags: { "grpo.betas": ["0.9,0.99"] } }).grpo.betas).toEqual([0.9, 0.99]);
  expect(read({ settings: ["betas=0.9,0.99"] }).grpo.betas).toEqual([0.9, 0.99]);
  expect(read({ flags: { "grpo.betas": "[0.9, 0.99]" } }).grpo.betas).toEqual([0.9, 0.99]);
});

test("a file may be YAML; what a preset decides depends on what was said", () => {
  const path = file("grpo:\n  groupSize: 3 # fewer\n  loss: dapo\n", "run.yaml");
  const preset: NonNullable<ConfigSources["preset"]> = ({ said, value }) => ({
    model: `${String(said("model"))} ${String(value("grpo.loss"))}`,
  });
  expect(read({ file: path, preset })).toMatchObject({ model: "undefined dapo", grpo: { groupSize: 3 } });
  expect(read({ preset }).model).toBe("undefined grpo");
  expect(() => read({ file: file("a: [", "run.yml") })).toThrow("is not YAML");
  expect(() => read({ file: file("- a", "run.yml") })).toThrow("must hold a record");
  expect(() => read({ file: file("a: &x [*x]", "run.yml") })).toThrow("is not YAML");
});

test("what is wrong is named with its flag, its value, what it takes, and a likely meaning", () => {
  expect(() => read({ flags: { "grpo.groupSize": "1" } })).toThrow(
    "--group-size (grpo.groupSize in a file) is 1. It takes a whole number of at least 2.",
  );
  expect(() => read({ flags: { "grpo.groupSize": "many" } })).toThrow(
    '--group-size (grpo.groupSize in a file) is "many".',
  );
  expect(() => read({ flags: { "grpo.loss": "dpao" } })).toThrow(
    '--loss (grpo.loss in a file) is "dpao". It takes one of grpo, dapo. Did you mean dapo?',
  );
  expect(() => read({ settings: ["betas=0.9,1,2"] })).toThrow("--betas");
  const typing = file('{"modle": 1, "grpo": {"group_size": 3, "shuffle": "no"}}');
  expect(() => read({ file: typing })).toThrow("There is no option modle. Did you mean model?");
  expect(() => read({ file: typing })).toThrow(
    "There is no option grpo.group_size. Did you mean grpo.groupSize?",
  );
  expect(() => read({ file: typing })).toThrow("It takes true or false.");
  expect(() => read({ file: file("{") })).toThrow("is not JSON");
  expect(() => read({ file: "nowhere.json" })).toThrow("Cannot read the configuration file nowhere.json");
  expect(() => read({ settings: ["size=3"] })).toThrow("Did you mean grpo.groupSize?");
  expect(() => read({ settings: ["nonsense"] })).toThrow('--set takes key=value, got "nonsense"');
});
