import { readFileSync } from "node:fs";
import { losses, optimizers } from "@vlmr1/grpo";
import { describe, expect, test } from "vitest";
import { configFlags, configOptions, scopes } from "../../src/config/options.ts";
import { configurationPage } from "../../src/config/page.ts";
import { RunConfig } from "../../src/config/run-config.ts";
import { run } from "../commands/run.ts";

describe.each(Object.entries(scopes))("vlmr1 %s", (_, scope) => {
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
      "--help-all",
    ];
    expect(flags.filter((flag, index) => flags.indexOf(flag) !== index)).toEqual([]);
    expect(flags.filter((flag) => reserved.includes(flag))).toEqual([]);
  });
});

test.each(["grpo", "sft"] as const)(
  "the options that people reach for first have short flags: %s",
  (name) => {
    const flags = configFlags(RunConfig, scopes[name]).map(({ flag }) => flag);
    const first =
      "--model --dataset --data --split --held-out --train --steps --learning-rate --seed --out --live";
    for (const flag of first.split(" ")) expect(flags).toContain(flag);
  },
);

test("every option says what it does", () => {
  expect(configOptions(RunConfig).filter(({ description }) => description.length < 10)).toEqual([]);
});

test("nothing needs to be said: every option has a default", () => {
  expect(RunConfig.parse({})).toMatchObject({
    model: "nano",
    train: "lora",
    dataset: "scenes",
    loss: "grpo",
  });
});

test("every option has a heading", () => {
  expect(configOptions(RunConfig).filter(({ group }) => group === "")).toEqual([]);
});

const page = new URL("../../../../docs/configuration.md", import.meta.url);

test("the page lists every option", () => {
  const text = configurationPage(RunConfig);
  for (const { path } of configOptions(RunConfig)) expect(text).toContain(`| \`${path.join(".")}\` |`);
});

test("docs/configuration.md is current (UPDATE_DOCS=1 writes it)", async () => {
  const text = configurationPage(RunConfig);
  if (process.env["UPDATE_DOCS"]) (await import("node:fs")).writeFileSync(page, text);
  expect(readFileSync(page, "utf8")).toBe(text);
});

test("options of losses and optimizers are the variants' own: each is a flag, and another variant's is refused", () => {
  const flags = configFlags(RunConfig, scopes.grpo).map(({ key }) => key);
  for (const [section, variants] of [
    ["lossOptions", losses],
    ["optimizerOptions", optimizers],
  ] as const)
    for (const { options } of Object.values(variants))
      for (const name of Object.keys(options.shape))
        expect(
          flags.some((key) => key === `${section}.${name}` || key.startsWith(`${section}.${name}.`)),
        ).toBe(true);
  const message = (config: object) => RunConfig.safeParse(config).error?.issues[0]?.message;
  expect(message({ loss: "cispo", lossOptions: { clipLow: 0.1 } })).toBe(
    "The loss cispo has no such option; it is one of bnpo, dapo, dr-grpo, grpo, gspo, luspo.",
  );
  expect(message({ optimizer: "sgd", optimizerOptions: { momentum: 2 } })).toContain(
    "expected number to be <1",
  );
  expect(RunConfig.parse({ loss: "gspo", lossOptions: { clipLow: 1e-4 } }).lossOptions).toEqual({
    clipLow: 1e-4,
  });
});

test("a flag that begins with no takes its list", async () => {
  const { json } = await run("grpo", "--dry-run", "--no-decay", "*norm*,*bias", "--json");
  expect(json).toMatchObject({ config: { optimizerOptions: { noDecay: ["*norm*", "*bias"] } } });
});
