import type { RewardFunction } from "@vlmr1/core";
import { readShortAnswer } from "../read/spans.ts";
import { lettersOf } from "../read/characters.ts";
import { malformed, targetAnswer, type AnswerTarget } from "../target.ts";
import type { AnswerReading } from "./text.ts";

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

/**
 * Whether a text says yes (true) or no (false); undefined when it says both or neither. Whole words only:
 * `not`, `know` say nothing.
 */
export function readYesNo(text: string): boolean | undefined {
  const words = new Set(lettersOf(text.toLowerCase()));
  const yes = words.has("yes") || words.has("true");
  const no = words.has("no") || words.has("false");
  return yes === no ? undefined : yes;
}
