import "@tensorflow/tfjs"; // a backend for tablePolicy
import { createRng } from "@vlmr1/core";
import type { PolicyLoss } from "@vlmr1/policy";
import { tablePolicy } from "@vlmr1/policy/testing";
import { expect, test } from "vitest";
import { finetune } from "../src/finetune.ts";
import { losses } from "../src/losses.ts";
import { checkMetricNames, finetuneMetrics, grpoMetrics } from "../src/run/metric-names.ts";
import { RunOptions } from "../src/run/run.ts";
import { train } from "../src/train.ts";
import { collect } from "./collect.ts";
import { fakeDataset } from "./fake-dataset.ts";

const writer = () => tablePolicy({ prompts: 6, words: ["a", "b", "c", "."], maxLength: 4 });
/** Only a policy that owns weight matrices measures how they grow. */
const ofSomePolicies = "policy/weight-growth";

test("GRPO's list has what runs with every loss report, and nothing else", async () => {
  const seen = new Set([ofSomePolicies]);
  const chance = createRng(0);
  const score = async () => ({ total: chance.uniform(), scores: {} });
  const config = { steps: 1, promptsPerStep: 2, groupSize: 2, measureKlEvery: 1 };
  const made = Object.values(losses) as readonly ((options: object) => PolicyLoss)[];
  for (const create of made) {
    const settings = { policy: writer(), dataset: fakeDataset(6), score, config };
    const loss = create({ samplerCorrection: {} });
    const { reports } = await collect(train({ ...settings, loss, sampler: writer() }));
    for (const name of Object.keys(reports[0]?.metrics ?? {})) seen.add(name);
  }
  expect([...seen].sort()).toEqual([...grpoMetrics].sort());
});

test("fine-tuning's list has what a run reports, and nothing else", async () => {
  const dataset = fakeDataset(6, () => "ab.");
  const { reports } = await collect(finetune({ policy: writer(), dataset, config: { steps: 1 } }));
  const seen = [...Object.keys(reports[0]?.metrics ?? {}), ofSomePolicies];
  expect([...new Set(seen)].sort()).toEqual([...finetuneMetrics].sort());
});

test("an unknown name is refused with the option and the known names; default guards always pass", () => {
  const check = (options: object) => checkMetricNames(RunOptions.parse(options), ["policy/loss"]);
  expect(() => check({})).not.toThrow();
  expect(() => check({ bestMetric: "policy/loss", earlyStop: {} })).not.toThrow();
  expect(() => check({ bestMetric: "policy/los" })).toThrow(
    'bestMetric is "policy/los", which this run does not report. It reports: policy/loss.',
  );
  expect(() => check({ earlyStop: { metric: "loss" } })).toThrow('earlyStop.metric is "loss"');
  expect(() => check({ guards: [{ metric: "kl", above: 1 }] })).toThrow('is "kl"');
  expect(() => check({ bestMetric: "eval/reward" })).toThrow("set evaluateEvery");
});
