import { VlmR1Error } from "@vlmr1/core";

/**
 * One question: the final answer that was read from the completion (undefined when there was none) and the true one.
 */
export interface ReasoningPair {
  readonly answer: string | undefined;
  readonly truth: string;
}

/** How many questions were answered rightly. */
export interface ReasoningScores {
  /** Right answers over questions, 0..1. */
  readonly accuracy: number;
  readonly correct: number;
  readonly total: number;
  /** Completions from which no answer could be read; they count as wrong. */
  readonly unanswered: number;
}

/**
 * Reasoning accuracy: the share of questions whose final answer is right.
 *
 * `isCorrect` decides what right means, {@link sameAnswer} by default; pass a rule of `@vlmr1/rewards` for
 * mathematics or choices.
 *
 * @throws VlmR1Error `invalid-argument` for no questions at all.
 */
export function reasoningAccuracy(
  pairs: readonly ReasoningPair[],
  { isCorrect = sameAnswer }: { readonly isCorrect?: (answer: string, truth: string) => boolean } = {},
): ReasoningScores {
  if (pairs.length === 0) {
    throw new VlmR1Error(
      "invalid-argument",
      "There is nothing to average: give at least one answer with its truth.",
    );
  }
  const correct = pairs.filter(
    ({ answer, truth }) => answer !== undefined && isCorrect(answer, truth),
  ).length;
  const unanswered = pairs.filter(({ answer }) => answer === undefined).length;
  return { accuracy: correct / pairs.length, correct, total: pairs.length, unanswered };
}

/** Whether two answers are equal as numbers, or as text without case, surrounding space and a final full stop. */
export function sameAnswer(answer: string, truth: string): boolean {
  const [a, b] = [plain(answer), plain(truth)];
  if (a === b) return true;
  return a !== "" && b !== "" && Number(a) === Number(b);
}

function plain(text: string): string {
  const trimmed = text.trim().toLowerCase();
  return (trimmed.endsWith(".") ? trimmed.slice(0, -1) : trimmed).trim();
}
