import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { RunConfig } from "../../src/config/run-config.ts";
import { decide } from "../../src/plan/decide.ts";

const plan = (config: object) => decide("grpo", RunConfig.parse(config));

test("in-order opens the data from its beginning, all of it by the step that is named", async () => {
  const weight = (await plan({ curriculum: "in-order:100" })).promptWeight?.(1000);
  const open = (step: number): number =>
    Array.from({ length: 1000 }, (_, index) => weight?.(index, step) ?? 0).reduce((a, b) => a + b, 0);
  expect([0, 50, 100, 500].map(open)).toEqual([100, 550, 1000, 1000]);
  expect(weight?.(0, 0)).toBe(1);
  expect((await plan({})).promptWeight).toBeUndefined();
});

test("a curriculum of one's own is a function of prompt and step", async () => {
  const file = join(mkdtempSync(join(tmpdir(), "vlmr1-curriculum-")), "mine.mjs");
  writeFileSync(file, "export const later = (index, step) => (index % 2 === 0 || step > 10 ? 1 : 0);");
  const weight = (await plan({ curriculum: `${file}#later` })).promptWeight?.(10);
  expect([weight?.(1, 0), weight?.(2, 0), weight?.(1, 11)]).toEqual([0, 1, 1]);
  await expect(plan({ curriculum: "in-order:soon" })).rejects.toThrow(
    "--curriculum is in-order:STEPS or ./file.ts#export",
  );
});

test("the judge's server comes from the configuration, its key from the environment", async () => {
  const scenes = { task: "counting" };
  await expect(plan({ scenes, rewards: ["judge if format"] })).rejects.toThrow("--judge-url");
  const judge = { url: "http://127.0.0.1:9/v1", model: "m", apiKeyEnv: "VLMR1_NO_SUCH_KEY" };
  await expect(plan({ scenes, rewards: ["judge"], judge })).rejects.toThrow(
    "VLMR1_NO_SUCH_KEY (judge.apiKeyEnv)",
  );
  const { score } = await plan({
    scenes,
    rewards: ["judge if format else -1"],
    judge: { ...judge, apiKeyEnv: undefined },
  });
  const closed = {
    completion: "3",
    sample: { id: "a", prompt: "how many?", images: [], target: { answer: "3" } },
  };
  expect(await (await score({}))(closed)).toMatchObject({ total: -1 }); // nobody was asked
});

test("a metric that the run does not report is refused, with those that it does", async () => {
  const scenes = { task: "counting" };
  const grpo = (options: object, more: object = {}) => plan({ scenes, ...more, grpo: options });
  await expect(grpo({ bestMetric: "eval/reward" })).rejects.toThrow(
    /^bestMetric is "eval\/reward", which this run does not report. Nothing is evaluated during it: set evaluateEvery, and held-out data. It reports: reward\/all-match, reward\/format, reward\/mean,/,
  );
  await expect(grpo({ bestMetric: "eval/all-match" })).rejects.toThrow("Nothing is evaluated during it");
  await expect(grpo({ earlyStop: { metric: "reward/iou" } })).rejects.toThrow(
    'earlyStop.metric is "reward/iou"',
  );
  await expect(grpo({ guards: [{ metric: "kl", above: 1 }] })).rejects.toThrow('is "kl", which');
  const measured = { heldOut: "test" };
  await expect(grpo({ evaluateEvery: 5, bestMetric: "eval/reward" }, measured)).rejects.toThrow(
    "It reports: eval/all-match, reward/all-match,",
  );
  await grpo({ evaluateEvery: 5, bestMetric: "eval/all-match", earlyStop: {} }, measured);
  await grpo({ bestMetric: "reward/format", guards: [{ metric: "policy/clip-fraction", above: 0.5 }] });
  const rewards = ["all-match as right"];
  await grpo({ bestMetric: "reward/right" }, { rewards });
  const sft = (options: object) => decide("sft", RunConfig.parse({ scenes, sft: options }));
  await expect(sft({ bestMetric: "reward/mean" })).rejects.toThrow("policy/token-probability");
  await sft({ bestMetric: "policy/token-probability", earlyStop: {} });
});
