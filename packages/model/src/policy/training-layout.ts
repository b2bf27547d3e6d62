import { VlmR1Error, type Rng } from "@vlmr1/core";
import { bucketCount, bucketLength, promptLength } from "../buckets.ts";
import type { DecoderConfig, HostTensor } from "../family.ts";
import { answerBias, answerRotary, promptInputs, type Prompt, type PromptInputs } from "../prompt-batch.ts";

/** One prompt and the tokens of its answers. */
export interface PromptAnswers {
  readonly prompt: Prompt;
  readonly answers: readonly (readonly number[])[];
}

/** Sizes of a batch: P prompts of S slots, G answers each, T tokens each; padding included. */
export interface BatchSizes {
  readonly prompts: number;
  readonly group: number;
  readonly slots: number;
  readonly length: number;
}

/** Inputs of the forward pass over prompts and answers. */
export interface ForwardInputs {
  readonly prompt: PromptInputs;
  readonly answer: PromptInputs & { readonly targets: HostTensor };
}

/** Groups laid out in one rectangle. */
export interface TrainingLayout {
  readonly sizes: BatchSizes;
  /** One prompt per row of the batch; the last ones may repeat the first to fill it. */
  readonly prompts: readonly Prompt[];
  readonly inputs: ForwardInputs;
}

/** @throws VlmR1Error `invalid-argument` for empty groups or answers, and for token ids outside the vocabulary. */
function checkGroups(decoder: DecoderConfig, groups: readonly PromptAnswers[]): void {
  groups.forEach(({ prompt, answers }, g) => {
    if (answers.length === 0) throw new VlmR1Error("invalid-argument", `Group ${g} has no completions.`);
    answers.forEach((ids, a) => {
      const wrong = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= decoder.vocabularySize);
      if (ids.length === 0)
        throw new VlmR1Error("invalid-argument", `Completion ${a} of group ${g} has no tokens.`);
      if (wrong !== undefined) {
        throw new VlmR1Error(
          "invalid-argument",
          `Completion ${a} of group ${g} has the token id ${wrong}; the vocabulary has ${decoder.vocabularySize}.`,
        );
      }
      const total = prompt.ids.length + ids.length;
      if (total > decoder.contextLength) {
        throw new VlmR1Error(
          "limit",
          `Prompt and completion ${a} of group ${g} have ${total} tokens; the context of the model has ${decoder.contextLength}.`,
        );
      }
    });
  });
}

/** Lays groups of any lengths out in one rectangle: prompts padded on the left, answers on the right. */
export function trainingLayout(
  decoder: DecoderConfig,
  groups: readonly PromptAnswers[],
  padTokenId: number,
): TrainingLayout {
  if (groups.length === 0) throw new VlmR1Error("invalid-argument", "A batch needs at least one group.");
  checkGroups(decoder, groups);
  const P = bucketCount(groups.length);
  const G = Math.max(...groups.map(({ answers }) => answers.length));
  const T = bucketLength(Math.max(...groups.flatMap(({ answers }) => answers.map((ids) => ids.length))));
  const S = promptLength(Math.max(...groups.map(({ prompt }) => prompt.ids.length)));
  const prompts = Array.from({ length: P }, (_, p) => (groups[p] ?? (groups[0] as PromptAnswers)).prompt);
  const fed = new Int32Array(P * G * (T - 1)).fill(padTokenId);
  const targets = new Int32Array(P * G * T).fill(padTokenId); // [T, P, G], as decoding computes them
  groups.forEach(({ answers }, p) => {
    answers.forEach((ids, g) => {
      ids.forEach((id, t) => (targets[(t * P + p) * G + g] = id));
      ids.slice(0, -1).forEach((id, t) => (fed[(t * P + p) * G + g] = id));
    });
  });
  const answer = {
    ids: { data: fed, shape: [fed.length] },
    rotary: answerRotary(decoder, prompts, 0, T - 1),
    bias: answerBias(prompts, S, T - 1),
    targets: { data: targets, shape: [targets.length] },
  };
  return {
    sizes: { prompts: P, group: G, slots: S, length: T },
    prompts,
    inputs: { prompt: promptInputs(decoder, prompts, S), answer },
  };
}

/** Random numbers from which dropout makes its masks: one for each row and each column of the widest input. */
export function dropoutNoise(
  decoder: DecoderConfig,
  { prompts, group, slots, length }: BatchSizes,
  rng: Rng,
) {
  const rows = prompts * Math.max(slots, group * length);
  const columns = Math.max(decoder.hiddenSize, decoder.intermediateSize, decoder.heads * decoder.headDim);
  const uniforms = (count: number): HostTensor => ({
    data: Float32Array.from({ length: count }, () => rng.uniform()),
    shape: [count],
  });
  return { rows: uniforms(rows), columns: uniforms(columns) };
}

/** Numbers per token, group by group, as one rectangle `[P G, T]`; `fallback` where a completion has none. */
export function tokenTable(
  { prompts, group, length }: BatchSizes,
  rows: readonly (readonly ArrayLike<number>[])[],
  fallback = 0,
): HostTensor {
  const data = new Float32Array(prompts * group * length).fill(fallback);
  rows.forEach((answers, p) => answers.forEach((values, g) => data.set(values, (p * group + g) * length)));
  return { data, shape: [prompts * group, length] };
}

/** The inverse of `tokenTable`: the numbers of the tokens that each completion has. */
export function tokenRows(
  { group, length }: BatchSizes,
  table: Float32Array,
  groups: readonly PromptAnswers[],
): Float32Array[][] {
  return groups.map(({ answers }, p) =>
    answers.map((ids, g) => {
      const start = (p * group + g) * length;
      return table.slice(start, start + ids.length);
    }),
  );
}
