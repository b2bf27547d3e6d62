import "@tensorflow/tfjs"; // a backend for tablePolicy
import { describe, expect, test } from "vitest";
import { finetune, type FinetuneOptions } from "../src/finetune.ts";
import { measureRewards } from "../src/rollout/measure-rewards.ts";
import type { Policy, TrainingBatch } from "@vlmr1/policy";
import { collect, essence } from "./collect.ts";
import { tablePolicy } from "@vlmr1/policy/testing";
import { fakeDataset } from "./fake-dataset.ts";

const answers = ["a.", "bb.", "ccc.", "b.", "ab.", "abc."];
const writer = () => tablePolicy({ prompts: 6, words: ["a", "b", "c", "."], maxLength: 4 });
const data = fakeDataset(6, (index) => answers[index] as string);
const tune = (options: Partial<FinetuneOptions> = {}) =>
  collect(
    finetune({
      policy: writer(),
      dataset: data,
      ...options,
      config: { steps: 10, batchSize: 6, learningRate: 0.2, ...options.config },
    }),
  );

describe("finetune", () => {
  test("teaches each prompt its answer", async () => {
    const policy = writer();
    const { reports } = await tune({ policy, config: { steps: 40 } });
    expect(reports.at(-1)?.metrics["policy/loss"]).toBeLessThan(0.3);
    expect(reports[0]?.metrics["policy/loss"]).toBeCloseTo(Math.log(4), 5);
    const score = async ({ completion, sample }: { completion: string; sample: { id: string } }) => {
      const right = Number(completion === answers[Number(sample.id)]);
      return { total: 2 * right, scores: { right } };
    };
    const measured = await measureRewards({
      model: policy,
      dataset: data,
      score,
      maxNewTokens: 4,
      batchSize: 4,
    });
    expect(measured).toEqual({ reward: 2, right: 1 });
    expect(
      await measureRewards({ model: writer(), dataset: data, score, maxNewTokens: 4, samples: 2 }),
    ).toEqual({
      reward: 0,
      right: 0,
    });
  });

  test("reports what train reports, with the same names", async () => {
    const { reports, summary } = await tune({ config: { steps: 2 } });
    const names = [
      "policy/loss",
      "policy/gradient-norm",
      "policy/learning-rate",
      "policy/updates",
      "completion/length",
    ];
    expect(Object.keys(reports[0]?.metrics ?? {})).toEqual(expect.arrayContaining(names));
    expect(reports[0]).toMatchObject({ step: 1, steps: 2, groups: [] });
    expect(summary).toEqual({ ending: "finished", step: 2 });
  });

  test("repeats with its seed and differs with another", async () => {
    const config = { batchSize: 2, steps: 9, bucketBatches: 3 };
    const [first, again] = [await tune({ config }), await tune({ config })];
    expect(essence(again.reports)).toEqual(essence(first.reports));
    expect(essence((await tune({ config: { ...config, seed: 1 } })).reports)).not.toEqual(
      essence(first.reports),
    );
  });

  test("bucketBatches puts answers of like length together and still covers every sample", async () => {
    const lengths = async (bucketBatches: number) => {
      const policy = writer();
      const batches: TrainingBatch[] = [];
      const accumulate: Policy["accumulate"] = (batch, loss) => (
        batches.push(batch),
        policy.accumulate(batch, loss)
      );
      await tune({ policy: { ...policy, accumulate }, config: { steps: 3, batchSize: 2, bucketBatches } });
      const cells = batches.map(({ groups }) =>
        groups.map(({ completions }) => completions[0]?.tokenIds.length ?? 0),
      );
      const padding = cells.reduce(
        (sum, cell) => sum + cell.length * Math.max(...cell) - cell.reduce((a, b) => a + b, 0),
        0,
      );
      const ids = batches.flatMap(({ groups }) => groups.map(({ sample }) => sample.id));
      return { padding, ids: ids.toSorted() };
    };
    const [loose, tight] = [await lengths(1), await lengths(3)];
    expect(tight.padding).toBeLessThanOrEqual(loose.padding);
    expect(tight.padding).toBeLessThanOrEqual(1);
    expect(tight.ids).toEqual(["0", "1", "2", "3", "4", "5"]);
  });

  test("samplesPerMicroBatch adds gradients up to the same update", async () => {
    const whole = await tune();
    const pieces = await tune({ config: { samplesPerMicroBatch: 2 } });
    whole.reports.forEach(({ metrics }, i) =>
      expect(pieces.reports[i]?.metrics["policy/loss"]).toBeCloseTo(metrics["policy/loss"] as number, 4),
    );
  });

  test("maxAnswerTokens cuts, order walks", async () => {
    const { reports } = await tune({ config: { steps: 1, maxAnswerTokens: 1 } });
    expect(reports[0]?.metrics["completion/longest"]).toBe(1);
    const sequential = await tune({
      config: { steps: 1, batchSize: 1, bucketBatches: 1, order: "sequential" },
    });
    expect(sequential.reports[0]?.metrics["completion/length"]).toBe(2);
  });

  test("a sample without an answer is refused by name", async () => {
    await expect(tune({ dataset: fakeDataset(6) })).rejects.toThrow(/Sample \d has no answer/);
  });
});
