import {
  VlmR1Error,
  type Completion,
  type RewardBreakdown,
  type Sample,
  type ScoreFunction,
} from "@vlmr1/core";

/** Answers to one prompt, not yet scored. */
interface AnsweredPrompt<Target> {
  readonly sample: Sample<Target>;
  readonly completions: readonly Completion[];
}

/**
 * Scores every completion of every group, at most `concurrency` at once. Order does not matter: results come back in place.
 *
 * @throws VlmR1Error `reward-failed` that names the sample when a reward throws or is not a finite number; it never becomes 0.
 */
export async function scoreGroups<Target>(
  groups: readonly AnsweredPrompt<Target>[],
  score: ScoreFunction<Target>,
  { step, concurrency }: { readonly step: number; readonly concurrency: number },
): Promise<RewardBreakdown[][]> {
  const results: RewardBreakdown[][] = groups.map(() => []);
  const work = groups.flatMap(({ completions }, g) => completions.map((_, i) => [g, i] as const));
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < work.length) {
      const [g, i] = work[next++] as readonly [number, number];
      const { sample, completions } = groups[g] as AnsweredPrompt<Target>;
      (results[g] as RewardBreakdown[])[i] = await scoreOne(
        sample,
        completions[i] as Completion,
        score,
        step,
      );
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, work.length) }, worker));
  return results;
}

async function scoreOne<Target>(
  sample: Sample<Target>,
  completion: Completion,
  score: ScoreFunction<Target>,
  step: number,
): Promise<RewardBreakdown> {
  const truncated = completion.finishReason !== "stop";
  const tokenCount = completion.tokenIds.length;
  let reward: RewardBreakdown;
  try {
    reward = await score({ completion: completion.text, sample, step, tokenCount, truncated });
  } catch (cause) {
    if (VlmR1Error.is(cause, "reward-failed") && cause.message.includes(sample.id)) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new VlmR1Error("reward-failed", `Scoring an answer to sample ${sample.id} failed: ${reason}`, {
      cause,
    });
  }
  const wrong = Object.entries({ total: reward.total, ...reward.scores }).find(
    ([, value]) => !Number.isFinite(value),
  );
  if (wrong) {
    throw new VlmR1Error(
      "reward-failed",
      `The reward ${wrong[0]} of an answer to sample ${sample.id} is ${wrong[1]}: rewards must be finite numbers.`,
    );
  }
  return reward;
}
