import { type RewardFunction, type RewardInput, VlmR1Error } from "@vlmr1/core";
import { countWords, isSpace } from "../read/characters.ts";

/**
 * Which published rule decides whether a completion has the think-answer format.
 *
 * - `strict` (ours, the default): one thought, one answer, both closed and not empty, white space and
 *   nothing else around them.
 * - `vlm-r1`: VLM-R1, R1-V, Visual-RFT, EasyR1: the whole text is
 *   `<think>.*</think>\s*<answer>.*</answer>`; what stands between the tags is free, so further tags and
 *   empty answers pass.
 * - `open-r1`: Open R1: the whole text is `<think>\n.*\n</think>\n<answer>\n.*\n</answer>`.
 * - `trl`: TRL's `think_format_reward`: begins with a thought that holds no second `<think>`; anything may
 *   follow.
 * - `perception-r1`: Perception-R1: as `vlm-r1`, but nothing between the blocks and no line breaks in them.
 */
export type FormatVariant = "strict" | "vlm-r1" | "open-r1" | "trl" | "perception-r1";

/**
 * 1 when the completion has the think-answer format of `variant`, else 0. Every variant takes time linear
 * in the length of the text.
 */
export function formatReward({
  variant = "strict",
}: { readonly variant?: FormatVariant } = {}): RewardFunction {
  const matches = rules[variant];
  return ({ completion }) => (matches(completion) ? 1 : 0);
}

/**
 * A quarter for each of `<think>`, `</think>`, `<answer>`, `</answer>` that occurs exactly once, 0..1: a
 * slope towards the format for models that do not have it yet. Open R1's `tag_count_reward`, without its
 * line breaks.
 */
export function tagCountReward(): RewardFunction {
  const tags = ["<think>", "</think>", "<answer>", "</answer>"];
  return ({ completion }) => tags.filter((tag) => occursOnce(completion, tag)).length / tags.length;
}

/**
 * A quarter for a closed thought and three quarters for a closed answer anywhere, 0..1. NeMo-RL's
 * `format_reward`.
 */
export function taggedPartsReward(): RewardFunction {
  return ({ completion }) =>
    (hasPair(completion, "think") ? 0.25 : 0) + (hasPair(completion, "answer") ? 0.75 : 0);
}

const rules: Readonly<Record<FormatVariant, (text: string) => boolean>> = {
  strict: isStrict,
  "vlm-r1": (text) => isThinkAnswer(text, "<think>", "</answer>"),
  "open-r1": (text) =>
    text.startsWith("<think>\n") &&
    text.endsWith("\n</answer>") &&
    text.includes("\n</think>\n<answer>\n", 8) &&
    text.indexOf("\n</think>\n<answer>\n", 8) + 19 <= text.length - 10,
  trl: (text) => text.startsWith("<think>") && !text.includes("<think>", 7) && text.includes("</think>", 7),
  "perception-r1": (text) => {
    const line = text.endsWith("\n") ? text.slice(0, -1) : text; // `$` also stands before a final line break
    return !line.includes("\n") && isThinkAnswer(line, "<think>", "</answer>", false);
  },
};

function isStrict(text: string): boolean {
  const trimmed = text.trim();
  if (!trimmed.startsWith("<think>") || !trimmed.endsWith("</answer>")) return false;
  if (!["<think>", "</think>", "<answer>", "</answer>"].every((tag) => occursOnce(trimmed, tag)))
    return false;
  const thoughtEnd = trimmed.indexOf("</think>");
  const answerStart = trimmed.indexOf("<answer>");
  const between = trimmed.slice(thoughtEnd + 8, answerStart);
  const thought = trimmed.slice(7, thoughtEnd);
  const answer = trimmed.slice(answerStart + 8, -9);
  return thoughtEnd < answerStart && between.trim() === "" && thought.trim() !== "" && answer.trim() !== "";
}

/** Whether the text is `<think>`, anything, `</think>`, white space, `<answer>`, anything, `</answer>`. */
function isThinkAnswer(text: string, opening: string, closing: string, spaced = true): boolean {
  if (!text.startsWith(opening) || !text.endsWith(closing)) return false;
  const last = text.length - closing.length - "<answer>".length;
  const bridge = bridgeAfter(text, opening.length, spaced);
  return bridge >= 0 && bridge <= last;
}

/**
 * Where the first `<answer>` stands that follows a `</think>` across white space only, from `start`, or -1.
 */
export function bridgeAfter(text: string, start: number, spaced = true): number {
  let thoughtEnd = text.indexOf("</think>", start);
  while (thoughtEnd >= 0) {
    let i = thoughtEnd + "</think>".length;
    if (spaced) while (isSpace(text.charCodeAt(i))) i++;
    if (text.startsWith("<answer>", i)) return i;
    thoughtEnd = text.indexOf("</think>", i);
  }
  return -1;
}

function occursOnce(text: string, part: string): boolean {
  const first = text.indexOf(part);
  return first >= 0 && text.indexOf(part, first + part.length) < 0;
}

function hasPair(text: string, tag: string): boolean {
  const opening = text.indexOf(`<${tag}>`);
  return opening >= 0 && text.lastIndexOf(`</${tag}>`) >= opening + tag.length + 2;
}

/** The lengths and values of {@link cosineLengthReward}. */
export interface CosineLength {
  /**
   * From this length on the reward stays where it is. In tokens, or words when the caller does not know
   * tokens.
   */
  readonly maxLength: number;
  /** A completion is correct when the accuracy reward reaches this. Default 1. */
  readonly correctAt?: number;
  /** What a correct completion earns when short and when long. Default [1, 0.5]. */
  readonly correct?: readonly [short: number, long: number];
  /**
   * What a wrong completion earns when short and when long. Default [-1, -0.5]: a wrong answer should think
   * longer.
   */
  readonly wrong?: readonly [short: number, long: number];
}

/**
 * Pays short correct answers more than long ones and long wrong answers more than short ones, along half a
 * cosine.
 *
 * Demystifying Long Chain-of-Thought Reasoning (Yeo et al. 2025, arXiv 2502.03373), eq. 1; defaults and
 * clamping as TRL's `get_cosine_scaled_reward`. Range: the smallest to the largest of the four values.
 */
export function cosineLengthReward<Target>(
  accuracy: RewardFunction<Target>,
  { maxLength, correctAt = 1, correct = [1, 0.5], wrong = [-1, -0.5] }: CosineLength,
): RewardFunction<Target> {
  if (!(maxLength > 0)) {
    throw new VlmR1Error(
      "invalid-argument",
      `cosineLengthReward: maxLength must be positive, got ${maxLength}.`,
    );
  }
  return (input) => {
    const progress = Math.min(1, completionLength(input) / maxLength);
    const shape = (1 + Math.cos(Math.PI * progress)) / 2; // 1 when short, 0 when long
    const scaled = (value: number): number => {
      const [short, long] = value >= correctAt ? correct : wrong;
      return long + (short - long) * shape;
    };
    const value = accuracy(input);
    return typeof value === "number" ? scaled(value) : value.then(scaled);
  };
}

/**
 * 0 up to `maxLength - cache`, then a straight line down to -1 at `maxLength`, and -1 beyond, -1..0.
 *
 * DAPO (Yu et al. 2025, arXiv 2503.14476), eq. 13, soft overlong punishment.
 */
export function softOverlongReward({
  maxLength,
  cache,
}: {
  readonly maxLength: number;
  readonly cache: number;
}): RewardFunction {
  if (!(cache > 0 && maxLength >= cache)) {
    throw new VlmR1Error(
      "invalid-argument",
      `softOverlongReward: 0 < cache <= maxLength, got cache ${cache} and maxLength ${maxLength}.`,
    );
  }
  return (input) => -Math.min(1, Math.max(0, (completionLength(input) - (maxLength - cache)) / cache));
}

/** How long a completion is: its tokens when the caller knows them, else its words. */
export function completionLength({ completion, tokenCount }: RewardInput): number {
  return tokenCount ?? countWords(completion);
}
