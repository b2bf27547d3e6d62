import type { Policy } from "@vlmr1/policy";
import { train } from "../src/train.ts";
import { fakeDataset } from "./fake-dataset.ts";
import { plainPolicy } from "./plain-policy.ts";

/**
 * Median milliseconds of processor time that a step of 16 prompts x 8 answers x 16 tokens takes with a policy that costs nothing: what
 * remains is the trainer. Processor time, because other programs on the machine are no overhead of the trainer.
 */
export async function trainerMilliseconds(steps: number): Promise<number> {
  const tokenIds = Array.from({ length: 16 }, (_, t) => t);
  const completion = {
    text: "a".repeat(60),
    tokenIds,
    logProbs: tokenIds.map(() => -1),
    finishReason: "stop" as const,
  };
  const perGroup: Policy["referenceLogProbs"] = async (groups) =>
    groups.map(({ completions }) => completions.map(() => Float32Array.from(tokenIds, () => -1)));
  const policy: Policy = {
    ...plainPolicy(),
    complete: async (samples, { count }) =>
      samples.map(() => Array.from({ length: count }, () => completion)),
    referenceLogProbs: perGroup,
    accumulate: async ({ groups }) => ({
      loss: 0,
      metrics: { kl: 0, ratio: 1, clipFraction: 0, entropy: 1 },
      logProbs: await perGroup(groups, { temperature: 1 }),
    }),
    apply: async () => ({ gradientNorm: 1, applied: true }),
  };
  let draws = 0;
  const score = async () => ({ total: draws++ % 7, scores: { iou: 1, format: 1 } });
  const config = { steps, promptsPerStep: 16, groupSize: 8 };
  const times: number[] = [];
  let before = process.cpuUsage();
  for await (const _ of train({ policy, dataset: fakeDataset(16), score, config })) {
    const { user, system } = process.cpuUsage(before);
    times.push((user + system) / 1000);
    before = process.cpuUsage();
  }
  return times.toSorted((a, b) => a - b)[Math.floor(steps / 2)] as number;
}
