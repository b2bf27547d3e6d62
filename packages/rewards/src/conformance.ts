import { createRng, type RewardFunction, type Rng, type ScoredSample, VlmR1Error } from "@vlmr1/core";

/** What a reward promises. */
export interface RewardContract<Target> {
  /** A sample with a target that the reward can read. */
  readonly sample: ScoredSample<Target>;
  /** The documented range, both ends included. */
  readonly range: readonly [low: number, high: number];
  /**
   * A completion that should earn more than, or as much as, every hostile one; its value is checked against
   * them when given.
   */
  readonly good?: string;
  /** Milliseconds that one completion may take. Default 100. */
  readonly milliseconds?: number;
  /** Length of the long hostile completions, in UTF-16 units. Default 1 000 000. */
  readonly size?: number;
  /** How many random completions are tried. Default 1000. */
  readonly random?: number;
}

/**
 * The exam of a reward. Over hostile and random completions it must return a finite number in its range,
 * the same twice, in time linear in the text (measured: each within `milliseconds`), without changing the
 * sample; throw nothing; and pay nothing hostile more than a good answer.
 *
 * @throws VlmR1Error `reward-failed`: what the reward did, on which completion.
 */
export async function checkReward<Target>(
  reward: RewardFunction<Target>,
  contract: RewardContract<Target>,
): Promise<void> {
  const { sample, milliseconds = 100, size = 1_000_000, random = 1000 } = contract;
  const before = JSON.stringify(sample);
  const good =
    contract.good === undefined ? Infinity : await valueOf(reward, contract, "the good one", contract.good);
  for (const { name, text } of hostileCompletions({ size })) {
    const [value, elapsed] = await timed(() => valueOf(reward, contract, name, text));
    if (elapsed > milliseconds) {
      // A pause of the machine is not the reward's fault: only what is slow every time is slow.
      const again = [
        await timed(() => valueOf(reward, contract, name, text)),
        await timed(() => valueOf(reward, contract, name, text)),
      ];
      const best = Math.min(elapsed, ...again.map(([, time]) => time));
      if (best > milliseconds) {
        throw failed(
          name,
          text,
          `took ${best.toFixed(0)} ms for ${text.length} characters, more than ${milliseconds} ms`,
        );
      }
    }
    if (value > good) throw failed(name, text, `earned ${value}, more than the good completion's ${good}`);
    if (text.length < 10_000) await checkRepeat(reward, contract, name, text, value);
  }
  const completions = randomCompletions(createRng(20_250_410).fork("check-reward"));
  for (let i = 0; i < random; i++) {
    const text = completions.next().value as string;
    const value = await valueOf(reward, contract, `random completion ${i}`, text);
    if (i % 16 === 0) await checkRepeat(reward, contract, `random completion ${i}`, text, value);
  }
  if (JSON.stringify(sample) !== before) {
    throw new VlmR1Error(
      "reward-failed",
      `The reward changed its sample "${sample.id}": samples are shared and read-only.`,
    );
  }
}

async function valueOf<Target>(
  reward: RewardFunction<Target>,
  { sample, range }: RewardContract<Target>,
  name: string,
  completion: string,
): Promise<number> {
  let value: unknown;
  try {
    value = await reward({ completion, sample });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw failed(
      name,
      completion,
      `threw "${reason}": what a model writes must score low, never throw`,
      cause,
    );
  }
  if (typeof value !== "number" || !Number.isFinite(value)) {
    throw failed(name, completion, `returned ${String(value)}: a reward is a finite number`);
  }
  if (value >= range[0] - 1e-12 && value <= range[1] + 1e-12) return value;
  throw failed(name, completion, `returned ${value}, outside its range ${range[0]}..${range[1]}`);
}

async function checkRepeat<Target>(
  reward: RewardFunction<Target>,
  contract: RewardContract<Target>,
  name: string,
  text: string,
  value: number,
): Promise<void> {
  const again = await valueOf(reward, contract, name, text);
  if (again !== value)
    throw failed(name, text, `returned ${value}, then ${again}: a reward must be deterministic`);
}

async function timed<T>(run: () => Promise<T>): Promise<readonly [value: T, milliseconds: number]> {
  const start = performance.now();
  const before = process.cpuUsage();
  const value = await run();
  const { user, system } = process.cpuUsage(before);
  // On a busy machine the wall clock counts other programs too.
  return [value, Math.min(performance.now() - start, (user + system) / 1000)];
}

function failed(name: string, completion: string, problem: string, cause?: unknown): VlmR1Error {
  const shown = JSON.stringify(completion.length > 120 ? `${completion.slice(0, 120)}…` : completion);
  return new VlmR1Error("reward-failed", `On ${name} (${shown}) the reward ${problem}.`, { cause });
}

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
