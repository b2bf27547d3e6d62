import { VlmR1Error, type Completion, type Sample } from "@vlmr1/core";

/**
 * Checks what a sampler returned against its contract, before anything is learnt from it.
 *
 * @throws VlmR1Error `aborted` when the sampler was stopped, `invalid-data` when answers or log-probabilities are missing.
 */
export function checkAnswers(
  samples: readonly Sample[],
  answers: readonly (readonly Completion[])[],
  groupSize: number,
): void {
  const refuse = (problem: string): never => {
    throw new VlmR1Error("invalid-data", `The sampler broke its contract: ${problem}`);
  };
  if (answers.length !== samples.length)
    refuse(`${samples.length} prompts, but ${answers.length} groups of answers.`);
  for (const [i, group] of answers.entries()) {
    const id = samples[i]?.id;
    if (group.length !== groupSize)
      refuse(`${group.length} answers to sample ${id}, not the ${groupSize} asked for.`);
    for (const { tokenIds, logProbs, finishReason } of group) {
      if (finishReason === "aborted")
        throw new VlmR1Error("aborted", "Sampling was stopped before all answers were written.");
      if (tokenIds.length === 0)
        refuse(`an answer to sample ${id} has no tokens, not even the one that ends it.`);
      if (tokenIds.length !== logProbs.length) {
        refuse(
          `an answer to sample ${id} has ${tokenIds.length} tokens but ${logProbs.length} log-probabilities.`,
        );
      }
    }
  }
}
