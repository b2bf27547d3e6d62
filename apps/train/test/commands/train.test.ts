import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { run } from "./run.ts";

/** Runs a command line, with sizes for a test; gives its JSON result. */
async function perform(kind: "grpo" | "sft", settings: readonly string[], ...flags: readonly string[]) {
  const { json, code } = await run(
    kind,
    ...settings.flatMap((setting) => ["--set", setting]),
    ...flags,
    "--json",
  );
  return { code, ...(json as Record<string, unknown>) } as Record<string, unknown>;
}

const tiny = ["scenes.length=12", "heldOutLimit=2", "evaluation.maxNewTokens=6", "threads=1"];
const folder = () => mkdtempSync(join(tmpdir(), "vlmr1-run-"));
const steps = (directory: string) =>
  readFileSync(join(directory, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { step: number }).step);

test("grpo leaves model, checkpoints, records, report and configuration, and goes on from them", async () => {
  const out = folder();
  const sizes = [...tiny, "grpo.promptsPerStep=2", "grpo.groupSize=2", "grpo.maxNewTokens=6", `out=${out}`];
  const first = await perform("grpo", [...sizes, "grpo.steps=1"]);
  expect(first).toMatchObject({ steps: 1, ending: "finished" });
  for (const name of [
    "config.json",
    "model/config.json",
    "model/model.safetensors",
    "report.html",
    "checkpoints/step-000001",
    "events.jsonl",
  ])
    expect(existsSync(join(out, name)), name).toBe(true);
  expect(await perform("grpo", ["grpo.steps=2"], "--resume", out)).toMatchObject({ steps: 2 });
  expect(steps(out)).toEqual([1, 2]);
  expect(JSON.parse(readFileSync(join(out, "config.json"), "utf8"))).toMatchObject({
    grpo: { groupSize: 2, steps: 2 },
  });
});

test("sft imitates the answers of the same data, and can train an adapter", async () => {
  const out = folder();
  const outcome = await perform("sft", [
    ...tiny,
    "sft.batchSize=2",
    "sft.steps=1",
    "train=lora",
    "lora.rank=2",
    `out=${out}`,
  ]);
  expect(outcome).toMatchObject({ steps: 1 });
  expect(existsSync(join(out, "model/adapter_config.json"))).toBe(true);
});

test("a dry run reads no weights, makes no folder and tells the plan", async () => {
  const out = join(folder(), "never");
  const { plan } = await perform("grpo", [`out=${out}`, "grpo.steps=50"], "--dry-run");
  expect(plan).toMatchObject({ steps: 50, completionsPerStep: 128, epochs: 0.08 });
  expect(existsSync(out)).toBe(false);
});

test("rules that the data cannot feed, and options that the loss does not have, are refused before anything is loaded", async () => {
  expect(await perform("grpo", ["rewards=map"])).toMatchObject({
    error: {
      message: expect.stringContaining(
        "The reward map compares with objects, but this data has a box",
      ) as string,
    },
  });
  expect(await perform("grpo", ["loss=cispo", "lossOptions.clipLow=0.1"])).toMatchObject({
    error: { message: expect.stringContaining("clipLow") as string },
  });
  expect(await perform("grpo", ["dataset=coco"])).toMatchObject({
    error: { message: expect.stringContaining("--dataset coco needs --data") as string },
  });
});
