import {
  VlmR1Error,
  type CompleteOptions,
  type Completion,
  type RewardBreakdown,
  type Sample,
  type ScoreFunction,
} from "@vlmr1/core";
import { z } from "zod";

/** One prompt of a step, the completions of it, and what they earned. */
export interface RolloutGroup<Target = unknown> {
  /** Index in the dataset. */
  readonly index: number;
  readonly sample: Sample<Target>;
  readonly completions: readonly Completion[]; // [G]
  readonly rewards: readonly RewardBreakdown[]; // [G]
  /** Zero where the group was not trained on. */
  readonly advantages: readonly number[]; // [G]
}

/** How prompts are answered and what counts of the completions. */
export const RolloutOptions = z.strictObject({
  groupSize: z.int().min(2).default(8).describe("Answers to each prompt (G)."),
  maxNewTokens: z.int().min(1).default(256).describe("Longest answer, in tokens."),
  temperature: z
    .number()
    .gt(0)
    .default(1)
    .describe("Sampling temperature; log-probabilities are taken at it too."),
  topK: z.int().min(1).optional().describe("Sample among the k likeliest tokens; absent: all."),
  topP: z
    .number()
    .gt(0)
    .max(1)
    .optional()
    .describe("Sample among the likeliest tokens that hold this probability."),
  minP: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe("Sample among tokens with this fraction of the likeliest's probability."),
  repetitionPenalty: z
    .number()
    .positive()
    .optional()
    .describe("Divides the logits of tokens already seen; 1 is none."),
  stop: z.array(z.string()).optional().describe("Texts that end an answer."),
  maskTruncated: z.boolean().default(false).describe("Learn nothing from answers that were cut off."),
  rewardConcurrency: z
    .int()
    .min(1)
    .default(64)
    .describe("Completions whose rewards are computed at once, for rewards that wait for a server."),
});
export type RolloutOptions = z.output<typeof RolloutOptions>;

/** What a configuration asks of the sampler, without its random stream. */
export function completeOptions(
  config: RolloutOptions,
  signal: AbortSignal | undefined,
): Omit<CompleteOptions, "rng"> {
  const { groupSize, maxNewTokens, temperature, topK, topP, minP, repetitionPenalty, stop } = config;
  return {
    count: groupSize,
    maxNewTokens,
    temperature,
    ...(topK !== undefined && { topK }),
    ...(topP !== undefined && { topP }),
    ...(minP !== undefined && { minP }),
    ...(repetitionPenalty !== undefined && { repetitionPenalty }),
    ...(stop && { stop }),
    ...(signal && { signal }),
  };
}

/**
 * Checks what a sampler returned against its contract, before anything is learnt from it.
 *
 * @throws VlmR1Error `aborted` when the sampler was stopped, `invalid-data` when completions or log-probabilities are missing.
 */
export function checkCompletions(
  samples: readonly Sample[],
  groups: readonly (readonly Completion[])[],
  groupSize: number,
): void {
  const refuse = (problem: string): never => {
    throw new VlmR1Error("invalid-data", `The sampler broke its contract: ${problem}`);
  };
  if (groups.length !== samples.length)
    refuse(`${samples.length} prompts, but ${groups.length} groups of completions.`);
  for (const [i, group] of groups.entries()) {
    const id = samples[i]?.id;
    if (group.length !== groupSize)
      refuse(`${group.length} completions of sample ${id}, not the ${groupSize} asked for.`);
    for (const { tokenIds, logProbs, finishReason } of group) {
      if (finishReason === "aborted")
        throw new VlmR1Error("aborted", "Sampling was stopped before all completions were written.");
      if (tokenIds.length === 0)
        refuse(`a completion of sample ${id} has no tokens, not even the one that ends it.`);
      if (tokenIds.length !== logProbs.length) {
        refuse(
          `a completion of sample ${id} has ${tokenIds.length} tokens but ${logProbs.length} log-probabilities.`,
        );
      }
    }
  }
}

/**
 * The mask of one completion, [T]: all ones, or all zeros when it was cut off and `maskTruncated` is set, so that a completion is not
 * blamed for being cut off (DAPO's overlong filtering, arXiv:2503.14476, section 3.4).
 */
export function tokenMask(
  completion: Pick<Completion, "tokenIds" | "finishReason">,
  maskTruncated: boolean,
): number[] {
  const counts = maskTruncated && completion.finishReason !== "stop" ? 0 : 1;
  return completion.tokenIds.map(() => counts);
}

/**
 * The rewards of every completion of every group, at most `concurrency` at once. Order does not matter: results come back in place.
 *
 * @throws VlmR1Error `reward-failed` that names the sample when a reward throws or is not a finite number; it never becomes 0.
 */
export async function computeRewards<Target>(
  groups: readonly Pick<RolloutGroup<Target>, "sample" | "completions">[],
  reward: ScoreFunction<Target>,
  { step, concurrency }: { readonly step: number; readonly concurrency: number },
): Promise<RewardBreakdown[][]> {
  const results: RewardBreakdown[][] = groups.map(() => []);
  const work = groups.flatMap(({ completions }, g) => completions.map((_, i) => [g, i] as const));
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < work.length) {
      const [g, i] = work[next++] as readonly [number, number];
      const { sample, completions } = groups[g] as Pick<RolloutGroup<Target>, "sample" | "completions">;
      (results[g] as RewardBreakdown[])[i] = await rewardOf(
        sample,
        completions[i] as Completion,
        reward,
        step,
      );
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, work.length) }, worker));
  return results;
}

async function rewardOf<Target>(
  sample: Sample<Target>,
  completion: Completion,
  reward: ScoreFunction<Target>,
  step: number,
): Promise<RewardBreakdown> {
  const truncated = completion.finishReason !== "stop";
  const tokenCount = completion.tokenIds.length;
  let breakdown: RewardBreakdown;
  try {
    breakdown = await reward({ completion: completion.text, sample, step, tokenCount, truncated });
  } catch (cause) {
    if (VlmR1Error.is(cause, "reward-failed") && cause.message.includes(sample.id)) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new VlmR1Error(
      "reward-failed",
      `The reward of a completion of sample ${sample.id} failed: ${reason}`,
      {
        cause,
      },
    );
  }
  const wrong = Object.entries({ total: breakdown.total, ...breakdown.scores }).find(
    ([, value]) => !Number.isFinite(value),
  );
  if (wrong) {
    throw new VlmR1Error(
      "reward-failed",
      `The reward ${wrong[0]} of a completion of sample ${sample.id} is ${wrong[1]}: rewards must be finite numbers.`,
    );
  }
  return breakdown;
}
