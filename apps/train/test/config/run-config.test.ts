import { describe, expect, test } from "vitest";
import { configFlags } from "../../src/compose/config-flags.ts";
import { trainingScopes } from "../../src/compose/flag-scopes.ts";
import { RunConfig } from "../../src/config/run-config.ts";
import { schemaLeaves } from "../../src/config/schema-leaves.ts";

describe.each(Object.entries(trainingScopes))("vlmr1 %s", (_, scope) => {
  const flags = configFlags(RunConfig, scope).map(({ flag }) => flag);

  test("no two options share a flag, and none is one that every command has", () => {
    const reserved = [
      "--config",
      "--set",
      "--dry-run",
      "--trial",
      "--resume",
      "--json",
      "--quiet",
      "--verbose",
      "--help",
    ];
    expect(flags.filter((flag, index) => flags.indexOf(flag) !== index)).toEqual([]);
    expect(flags.filter((flag) => reserved.includes(flag))).toEqual([]);
  });

  test("the options that people reach for first have short flags", () => {
    for (const flag of [
      "--model",
      "--dataset",
      "--data",
      "--split",
      "--held-out",
      "--train",
      "--steps",
      "--learning-rate",
      "--seed",
      "--out",
      "--live",
    ])
      expect(flags).toContain(flag);
  });
});

test("every option says what it does", () => {
  expect(schemaLeaves(RunConfig).filter(({ description }) => description.length < 10)).toEqual([]);
});

test("nothing needs to be said: every option has a default", () => {
  expect(RunConfig.parse({})).toMatchObject({
    model: "nano",
    train: "lora",
    dataset: "scenes",
    loss: "grpo",
  });
});
