import type { RewardFunction } from "@vlmr1/core";
import { readChoice, readYesNo } from "../read/choices.ts";
import { readShortAnswer } from "../read/spans.ts";
import { malformed, targetAnswer, type AnswerTarget } from "../target.ts";
import type { AnswerReading } from "./text.ts";

/**
 * 1 when the answer names the target's letter and no other, else 0. Reads `B`, `b`, `(B)`, `B.`, `B) the
 * cat`, `**B**`, `\boxed{B}`, `Answer: B`, `The answer is B because A is blue`, `选B`, `（B）`; several letters (`A, B, C`,
 * `A or B`) name none: {@link readChoice}.
 *
 * @throws VlmR1Error `invalid-data` when the target holds no single letter A..Z.
 */
export function choiceReward(reading: AnswerReading = {}): RewardFunction<AnswerTarget> {
  return ({ completion, sample }) => {
    const truth = readChoice(targetAnswer(sample));
    if (truth === undefined) throw malformed(sample, "answer", 'a choice such as "B"', targetAnswer(sample));
    return readChoice(readShortAnswer(completion, reading.answer)) === truth ? 1 : 0;
  };
}

/**
 * 1 when the answer says yes or no as the target does, else 0. Both words, or neither, are no answer.
 *
 * @throws VlmR1Error `invalid-data` when the target says neither yes nor no.
 */
export function yesNoReward(reading: AnswerReading = {}): RewardFunction<AnswerTarget> {
  return ({ completion, sample }) => {
    const truth = readYesNo(targetAnswer(sample));
    if (truth === undefined) throw malformed(sample, "answer", '"yes" or "no"', targetAnswer(sample));
    return readYesNo(readShortAnswer(completion, reading.answer)) === truth ? 1 : 0;
  };
}
