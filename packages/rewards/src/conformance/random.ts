import type { Rng } from "@vlmr1/core";

/**
 * What random completions are made of, beside random characters: pieces of every notation that rewards
 * read.
 */
const fragments = [
  "<think>", "</think>", "<answer>", "</answer>", "```json\n", "\n```", "```", "[", "]", "{", "}", "(", ")", ",", ":", '"', "'", " ", "\n",
  "bbox_2d", '"bbox_2d": ', '"label": ', '"cat"', '"dog"', "label", "confidence", "point", "[10, 20, 110, 220]", "(10,20),(110,220)",
  "<|box_start|>", "<|box_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<box>", "</box>", "<ref>", "</ref>", "None", "null", "true",
  "yes", "no", "A", "B.", "(C)", "The answer is ", "0", "1", "-1", "3.5", "1e9", "1e999", ".5", "50%", "1,234", "\\frac{1}{2}", "\\boxed{",
  "\\sqrt{2}", "x^2", "\\pm", "\\infty", "=", "<", "\\le", "5 cm", "\\text{", "$", "\\", "|", "±", "{\"bbox_2d\": [1, 2, 3, 4], \"label\": \"cat\"}",
] as const; // oxfmt-ignore

/**
 * Endless random completions: bytes, Unicode, and pieces of tags, JSON, boxes and formulas in random order.
 */
export function* randomCompletions(rng: Rng): Generator<string> {
  for (;;) {
    const parts = rng.integer(24);
    let text = rng.uniform() < 0.3 ? "<think>x</think><answer>" : "";
    for (let i = 0; i < parts; i++) {
      text += rng.uniform() < 0.75 ? fragments[rng.integer(fragments.length)] : randomCharacters(rng);
    }
    yield rng.uniform() < 0.3 ? `${text}</answer>` : text;
  }
}

function randomCharacters(rng: Rng): string {
  const bound = [128, 256, 0x10000][rng.integer(3)] as number;
  let text = "";
  for (let i = rng.integer(6); i >= 0; i--) text += String.fromCharCode(rng.integer(bound));
  return text;
}
