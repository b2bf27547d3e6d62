import { digitsEnd } from "../read/characters.ts";
import { asciiDigits, spaceEnd } from "./python-text.ts";

/**
 * `format_reward`: 1 when the whole text is `<think>.*?</think>\s*<answer>.*?</answer>`.
 *
 * Bugs kept: empty thoughts and answers pass, and so does anything between the first and the last tag.
 * Fixed twin: `formatReward()`.
 */
export function formatReward(content: string): number {
  if (!content.startsWith("<think>") || !content.endsWith("</answer>")) return 0;
  const bridge = bridgeEnd(content, "<think>".length);
  return bridge >= 0 && bridge <= content.length - "</answer>".length ? 1 : 0;
}

/**
 * `format_reward_rec` of the Qwen module: 1 when a thought, an answer and, inside braces in it, a box of
 * whole numbers occur in this order anywhere.
 *
 * Bugs kept: decimals and negative numbers are refused, and text before and after is free. Fixed twin:
 * `gate(formatReward(), iouReward())`.
 */
export function formatRewardRec(completion: string): number {
  const content = asciiDigits(completion);
  const answer = answerAfterThought(content);
  if (answer < 0) return 0;
  const brace = content.indexOf("{", answer);
  const box = brace < 0 ? undefined : findIntegerBox(content, brace + 1);
  const closing = box ? content.indexOf("}", box.end) : -1;
  return closing >= 0 && content.includes("</answer>", closing + 1) ? 1 : 0;
}

/**
 * `format_reward_rec` of the InternVL module: as {@link formatRewardRec}, without the braces. Fixed twin:
 * `gate(formatReward(), iouReward())`.
 */
export function formatRewardRecInternVl(completion: string): number {
  const content = asciiDigits(completion);
  const answer = answerAfterThought(content);
  const box = answer < 0 ? undefined : findIntegerBox(content, answer);
  return box && content.includes("</answer>", box.end) ? 1 : 0;
}

/**
 * `format_reward_rec` of the GLM module: 1 when `<think>`, `<answer>` and `</answer>` occur in this order.
 *
 * Bug kept: the thought need not end. Fixed twin: `formatReward()`.
 */
export function formatRewardRecGlm(content: string): number {
  const thought = content.indexOf("<think>");
  const answer = thought < 0 ? -1 : content.indexOf("<answer>", thought + 7);
  return answer >= 0 && content.includes("</answer>", answer + 8) ? 1 : 0;
}

function answerAfterThought(content: string): number {
  const thought = content.indexOf("<think>");
  return thought < 0 ? -1 : bridgeEnd(content, thought + 7);
}

/** Where the first `</think>\s*<answer>` from `start` on ends, or -1. */
function bridgeEnd(content: string, start: number): number {
  let thoughtEnd = content.indexOf("</think>", start);
  while (thoughtEnd >= 0) {
    const answer = spaceEnd(content, thoughtEnd + "</think>".length);
    if (content.startsWith("<answer>", answer)) return answer + "<answer>".length;
    thoughtEnd = content.indexOf("</think>", answer);
  }
  return -1;
}

/** The first `[\d+,\s*\d+,\s*\d+,\s*\d+]` from `start` on. */
export function findIntegerBox(
  text: string,
  start = 0,
): { readonly box: readonly [number, number, number, number]; readonly end: number } | undefined {
  for (let at = text.indexOf("[", start); at >= 0; at = text.indexOf("[", at + 1)) {
    const numbers: number[] = [];
    let i = at + 1;
    while (numbers.length < 4) {
      const end = digitsEnd(text, i);
      if (end === i) break;
      numbers.push(Number(text.slice(i, end)));
      i = end;
      if (numbers.length === 4) break;
      if (text[i] !== ",") break;
      i = spaceEnd(text, i + 1);
    }
    if (numbers.length === 4 && text[i] === "]") {
      return { box: numbers as unknown as readonly [number, number, number, number], end: i + 1 };
    }
  }
  return undefined;
}
