import type { Model, PromptRequest } from "./model.ts";

/** What happens to a prompt on its way to the first completion token: the numbers to compare when a model is ported. */
export interface Inspection {
  /** Rendered, images expanded, tokenized. */
  readonly inputIds: readonly number[];
  /** The same as text, token by token. */
  readonly tokens: readonly string[];
  /** Rotary positions on three axes (time, row, column), `[3][T]`; equal axes in families without multimodal positions. */
  readonly positionIds: readonly (readonly number[])[];
  /** Position of the first completion token minus the length of the prompt. */
  readonly ropeDelta: number;
  /** Frames, patch rows and columns of each image (tile rows and columns in tiled families). */
  readonly imageGrids: readonly (readonly number[])[];
  /** Placeholder tokens of each image. */
  readonly imageTokens: readonly number[];
  /** Size at which the model sees each image, in pixels. */
  readonly imageSizes: readonly { readonly width: number; readonly height: number }[];
  /** Logits after the last token of the prompt, `[V]`. */
  readonly lastLogits: readonly number[];
  /** The likeliest first tokens. */
  readonly top: readonly {
    readonly id: number;
    readonly token: string;
    readonly logit: number;
    readonly logProb: number;
  }[];
  /** Tokens of the completion, when one was given. */
  readonly completionIds?: readonly number[];
  /** log p of each of them, at temperature 1. */
  readonly logProbs?: readonly number[];
}

const LISTED = 10;

/** Runs a prompt, and a completion if given, without cache or padding, and shows every stage. */
export async function inspect(
  model: Model,
  request: PromptRequest & { readonly completion?: string },
): Promise<Inspection> {
  const { completion, ...rest } = request;
  const prompt = model.preprocess(rest);
  const completionIds = completion === undefined ? [] : model.tokenize(completion);
  const table = await model.logits(prompt, completionIds);
  const [, V] = table.shape;
  const row = (position: number): Float32Array => table.data.subarray(position * V, (position + 1) * V);
  const last = row(prompt.ids.length - 1);
  const normalizer = logSumExp(last);
  const order = Array.from(last.keys()).sort((a, b) => (last[b] as number) - (last[a] as number));
  const name = (id: number): string => model.tokenizer.decode([id], { skipSpecialTokens: false });
  const logProbs = completionIds.map((id, i) => {
    const logits = row(prompt.ids.length - 1 + i);
    return (logits[id] as number) - logSumExp(logits);
  });
  return {
    inputIds: prompt.ids,
    tokens: prompt.ids.map(name),
    positionIds: prompt.positions.axes.map((axis) => Array.from(axis)),
    ropeDelta: prompt.positions.next - prompt.ids.length,
    imageGrids: prompt.images.map(({ grid }) => grid),
    imageTokens: prompt.images.map(({ tokens }) => tokens),
    imageSizes: prompt.images.map(({ resized }) => resized),
    lastLogits: Array.from(last),
    top: order.slice(0, LISTED).map((id) => ({
      id,
      token: name(id),
      logit: last[id] as number,
      logProb: (last[id] as number) - normalizer,
    })),
    ...(completion === undefined ? {} : { completionIds, logProbs }),
  };
}

function logSumExp(logits: Float32Array): number {
  const top = logits.reduce((a, b) => Math.max(a, b));
  return top + Math.log(logits.reduce((sum, value) => sum + Math.exp(value - top), 0));
}
