import { isBox, type Box, type RewardInput } from "@vlmr1/core";
import { readBoxes } from "../read/boxes.ts";
import { boxConverter, type FrameReading } from "../read/frames.ts";
import { readShortAnswer, type Which } from "../read/spans.ts";

/** How the one box of an answer is found. */
export interface BoxReading extends FrameReading {
  /** Which `<answer>` counts when there are several. Default `last`. */
  readonly answer?: Which;
  /** Which box of that answer counts when there are several. Default `first`. */
  readonly box?: Which;
}

/**
 * The box that a completion answers with, in pixels; undefined when there is none or its corners are in the
 * wrong order.
 */
export function writtenBox(input: RewardInput, reading: BoxReading): Box | undefined {
  const answer = readShortAnswer(input.completion, reading.answer);
  const written = readBoxes(answer).at(reading.box === "last" ? -1 : 0);
  if (!written || !isBox(written)) return undefined;
  return boxConverter(input.sample, reading)(written);
}
