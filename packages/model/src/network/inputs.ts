import type { ImageLayout, ProcessedImage } from "./architecture.ts";
import { HIDDEN } from "./attention.ts";
import type { DecoderConfig } from "./decoder.ts";
import { type Positions, positionTables, type RotaryTables } from "./rotary.ts";
import type { HostTensor } from "./tensors.ts";

/** One image of a prompt. */
export interface PromptImage extends ImageLayout {
  /** Equal for equal pictures. */
  readonly key: string;
  /** The pixels for the vision tower; computed when needed. */
  process(): ProcessedImage;
}

/** One prompt, ready for the decoder. */
export interface Prompt {
  /** Rendered, images expanded to their placeholders, unpadded. */
  readonly ids: readonly number[];
  readonly images: readonly PromptImage[];
  readonly positions: Positions;
}

/** One prompt and the tokens of its completions. */
export interface PromptCompletions {
  readonly prompt: Prompt;
  readonly completions: readonly (readonly number[])[];
}

/** Sizes of a batch: P prompts of S slots, G completions each, T tokens each; padding included. */
export interface BatchSizes {
  readonly prompts: number;
  readonly group: number;
  readonly slots: number;
  readonly length: number;
}

/**
 * A length that a graph is compiled for: at least `length`, in steps of 8 up to 64, 32 up to 256, 64 up to 1024, then 256. Few
 * graphs serve all lengths; padding changes no number.
 */
export function bucketLength(length: number): number {
  const step = length <= 64 ? 8 : length <= 256 ? 32 : length <= 1024 ? 64 : 256;
  return roundUp(length, step);
}

/**
 * The same for the slots of a prompt where it is computed, in finer steps: what they pad is computed for nothing. Every length
 * lies in the bucket of its `bucketLength`, to which generation pads keys and values afterwards.
 */
export function promptLength(length: number): number {
  const step = length <= 128 ? 8 : length <= 512 ? 16 : length <= 1024 ? 32 : 64;
  return roundUp(length, step);
}

/** A number of prompts that a graph is compiled for: 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, … */
export function bucketCount(count: number): number {
  for (let size = 1; ; size *= 2) {
    if (size >= count) return size;
    if (size >= 2 && size * 1.5 >= count) return size * 1.5;
  }
}

function roundUp(length: number, step: number): number {
  return Math.max(step, Math.ceil(length / step) * step);
}

/** Inputs of a pass over P left-padded prompts of S slots. */
export interface PromptInputs {
  /** int32 `[P S]` */
  readonly ids: HostTensor;
  /** `[P, 1, S, headDim]` each */
  readonly rotary: { readonly cos: HostTensor; readonly sin: HostTensor };
  /** `[P, 1, S, S]`: causal, without the padding. */
  readonly bias: HostTensor;
}

/** Pads prompts on the left to `length` slots. The padded slots are never seen, so they change no number. */
export function promptInputs(
  decoder: DecoderConfig,
  prompts: readonly Prompt[],
  length: number,
): PromptInputs {
  const [P, S] = [prompts.length, length];
  const ids = new Int32Array(P * S);
  const axes = [0, 1, 2].map(() => new Int32Array(P * S)) as [Int32Array, Int32Array, Int32Array];
  const bias = new Float32Array(P * S * S).fill(HIDDEN);
  prompts.forEach((prompt, p) => {
    const pad = S - prompt.ids.length;
    ids.set(prompt.ids, p * S + pad);
    axes.forEach((axis, i) => axis.set(prompt.positions.axes[i] as Int32Array, p * S + pad));
    for (let row = pad; row < S; row++) bias.fill(0, (p * S + row) * S + pad, (p * S + row) * S + row + 1);
  });
  return {
    ids: { data: ids, shape: [P * S] },
    rotary: rotaryInputs(positionTables(decoder, axes), [P, 1, S, decoder.headDim]),
    bias: { data: bias, shape: [P, 1, S, S] },
  };
}

/** Rotary tables of T completion tokens from step `first` after each prompt, `[P, 1, T, headDim]`. */
export function completionRotary(
  decoder: DecoderConfig,
  prompts: readonly Prompt[],
  first: number,
  length: number,
): PromptInputs["rotary"] {
  const axis = new Int32Array(prompts.length * length);
  prompts.forEach((prompt, p) => {
    for (let t = 0; t < length; t++) axis[p * length + t] = prompt.positions.next + first + t;
  });
  return rotaryInputs(positionTables(decoder, [axis, axis, axis]), [
    prompts.length,
    1,
    length,
    decoder.headDim,
  ]);
}

/** Which of S prompt slots and T own tokens each of T completion tokens sees: `[P, 1, T, S + T]`. */
export function completionBias(prompts: readonly Prompt[], slots: number, length: number): HostTensor {
  const [P, S, T] = [prompts.length, slots, length];
  const bias = new Float32Array(P * T * (S + T)).fill(HIDDEN);
  prompts.forEach((prompt, p) => {
    for (let t = 0; t < T; t++) {
      const row = (p * T + t) * (S + T);
      bias.fill(0, row + S - prompt.ids.length, row + S + t + 1);
    }
  });
  return { data: bias, shape: [P, 1, T, S + T] };
}

function rotaryInputs(tables: RotaryTables, shape: readonly number[]): PromptInputs["rotary"] {
  return { cos: { data: tables.cos, shape }, sin: { data: tables.sin, shape } };
}

/** Where image features go in the same slots. */
export interface FeatureInputs {
  /** int32 `[P S]` */
  readonly rows: HostTensor;
  /** `[P S, 1]` */
  readonly mask: HostTensor;
}

/**
 * Slots of image tokens and the feature rows that replace them. `starts[p][i]` is the first feature row of image i of prompt p.
 */
export function featureInputs(
  prompts: readonly Prompt[],
  length: number,
  imageTokenId: number,
  starts: readonly (readonly number[])[],
): FeatureInputs {
  const rows = new Int32Array(prompts.length * length);
  const mask = new Float32Array(prompts.length * length);
  prompts.forEach((prompt, p) => {
    const order = prompt.images.flatMap((image, i) =>
      Array.from({ length: image.tokens }, (_, k) => (starts[p]?.[i] as number) + k),
    );
    const first = p * length + length - prompt.ids.length;
    let next = 0;
    prompt.ids.forEach((id, at) => {
      if (id !== imageTokenId || next >= order.length) return;
      rows[first + at] = order[next++] as number;
      mask[first + at] = 1;
    });
  });
  return { rows: { data: rows, shape: [rows.length] }, mask: { data: mask, shape: [mask.length, 1] } };
}
