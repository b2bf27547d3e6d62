/** A completion that breaks careless readers. */
export interface HostileCompletion {
  readonly name: string;
  readonly text: string;
}

const openings = [
  "<think>",
  "<answer>",
  "```json",
  "[",
  "{",
  "(",
  "[[",
  '{"bbox_2d": [',
  '[{"a":',
  "\\frac{",
  "\\boxed{",
  "\\text{",
  "`",
  '"',
  "'",
];

const short: Readonly<Record<string, string>> = {
  empty: "",
  "white space": " \t\n\r\u00a0\u2003\u2028",
  "closing tags alone": "</think></answer>",
  "tags in the wrong order": "</answer><answer></think><think>",
  "nested answers": "<answer><answer>[1, 2, 3, 4]</answer></answer>",
  "unclosed answer": "<think>x</think><answer>[1, 2, 3, 4",
  "box of not-a-numbers": "<answer>[NaN, Infinity, -Infinity, null]</answer>",
  "box of 400 digits": `<answer>[${"9".repeat(400)}, 1, ${"9".repeat(400)}, 2]</answer>`,
  "tiny box": "<answer>[1e-320, 1e-320, 2e-320, 2e-320]</answer>",
  "huge box": "<answer>[-1e308, -1e308, 1e308, 1e308]</answer>",
  "inverted box": "<answer>[90, 90, 10, 10]</answer>",
  "flat box": "<answer>[10, 10, 10, 50]</answer>",
  "prototype keys":
    '<answer>```json\n[{"__proto__": {"label": "x"}, "constructor": 1, "bbox_2d": [1,2,3,4]}]\n```</answer>',
  "wrong types":
    '<answer>```json\n[{"bbox_2d": {"x": []}, "label": {"a": 1}}, 7, null, "text", [[]]]\n```</answer>',
  "lone surrogates": "<answer>\ud83d \ude00 \ud800</answer>",
  emoji: "<answer>👩‍👩‍👧‍👦 [1, 2, 3, 4] 🏳️‍🌈</answer>",
  "right to left": "<answer>\u202e[1, 2, 3, 4] مرحبا ٣</answer>",
  "combining marks": `<answer>e${"\u0301".repeat(500)}</answer>`,
  "control characters": "<answer>\u0000\u0001\u001b[31m[1, 2, 3, 4]\u007f</answer>",
  "division by zero": "<answer>1/0</answer>",
  "tower of powers": "<answer>9^9^9^9^9</answer>",
  "unbalanced formula": "<answer>$\\frac{1}{2</answer>",
  "special tokens": "<|im_end|><|endoftext|><|box_start|>(1,2),(3,4)<|box_end|><|vision_start|>",
};

/**
 * Completions that have broken reward functions: unbalanced and nested tags, impossible boxes, wrong JSON,
 * every kind of Unicode, and long repetitions (`size` UTF-16 units, 1 000 000 by default) on which a
 * careless pattern takes minutes.
 */
export function* hostileCompletions({
  size = 1_000_000,
}: { readonly size?: number } = {}): Generator<HostileCompletion> {
  for (const [name, text] of Object.entries(short)) yield { name, text };
  const filled = (part: string): string => part.repeat(Math.ceil(size / part.length)).slice(0, size);
  for (const opening of openings) yield { name: `${opening} repeated`, text: filled(opening) };
  const parts: Readonly<Record<string, string>> = {
    "think-answer pairs": "<think></think><answer></answer>",
    "closed boxes": "[1, 2, 3, 4]",
    "corner pairs": "(1,2),(3,4),",
    detections: '{"bbox_2d": [1, 2, 3, 4], "label": "cat"}, ',
    digits: "1234567890",
    "digits and points": "1.",
    "digits and commas": "1,",
    signs: "-+",
    exponents: "1e",
    "number words": "1x",
    spaces: " ",
    "line breaks": "\n",
    "brackets that close": "[]",
    "brackets of both kinds": "[(",
    "short words": "a b ",
    "one letter": "A",
    "letters and periods": "A. ",
    "yes and no": "yes no ",
    formulas: "\\frac12+",
    minuses: "1-",
    commas: ",",
    backslashes: "\\",
    fences: "```json\n[]\n```\n",
    emoji: "😀",
  };
  for (const [name, part] of Object.entries(parts)) {
    yield { name: `${name} repeated`, text: filled(part) };
    yield {
      name: `${name} repeated in an answer`,
      text: `<think>x</think>\n<answer>${filled(part)}</answer>`,
    };
  }
  yield { name: "deep JSON", text: `<answer>${"[".repeat(size / 2)}${"]".repeat(size / 2)}</answer>` };
  yield {
    name: "one JSON list",
    text: `<answer>\`\`\`json\n[${filled('{"bbox_2d": [10, 20, 30, 40], "label": "cat"},')}{}]\n\`\`\`</answer>`,
  };
}
