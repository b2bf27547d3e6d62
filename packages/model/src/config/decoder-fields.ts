import { VlmR1Error } from "@vlmr1/core";
import { z } from "zod";
import type { DecoderConfig } from "../family.ts";
import { rotaryAxes } from "../positions/rotary-axes.ts";
import { dimension, layerCount, positive } from "./parse-config.ts";
import { resolveRope, ropeFields } from "./rope-config.ts";

/** The fields of a text configuration that every decoder reads; the rest of the file is left alone. */
export const decoderFields = z.looseObject({
  ...ropeFields.shape,
  vocab_size: dimension,
  hidden_size: dimension,
  intermediate_size: dimension,
  num_hidden_layers: layerCount,
  num_attention_heads: dimension,
  num_key_value_heads: dimension.nullish(),
  head_dim: dimension.nullish(),
  rms_norm_eps: positive.nullish(),
  hidden_act: z.string().nullish(),
  pad_token_id: z.int().nullish(),
  use_sliding_window: z.boolean().nullish(),
  tie_word_embeddings: z.boolean().nullish(),
});

/** What a family adds to the fields: what its class says when the file is silent. */
export interface DecoderTraits {
  /** See `DecoderConfig.prefix`. */
  readonly prefix: string;
  readonly attentionBias: boolean;
  readonly outputBias?: boolean;
  readonly mlpBias?: boolean;
  readonly queryKeyNorm: boolean;
  readonly defaultTheta: number;
  readonly defaultContext: number;
  /** Whether the head is tied: the outer file may say so, or the inner one, or only the class. */
  readonly tiedHead: boolean;
  /**
   * Multimodal positions: how frequencies are dealt to the axes, and the sections when the file has none. Absent:
   * plain RoPE.
   */
  readonly multimodal?: { readonly interleaved: boolean; readonly defaultSections: readonly number[] };
  /** Default of `head_dim`; undefined: hidden size / heads. */
  readonly defaultHeadDim?: number;
}

/**
 * A decoder's numbers from the fields of its configuration.
 *
 * Throws `VlmR1Error` (`invalid-data`) when sizes contradict each other, (`unsupported`) for an activation or
 * attention that none of the families has.
 */
export function decoderConfig(fields: z.output<typeof decoderFields>, traits: DecoderTraits): DecoderConfig {
  const heads = fields.num_attention_heads;
  const keyValueHeads = fields.num_key_value_heads ?? heads;
  const headDim = fields.head_dim ?? traits.defaultHeadDim ?? fields.hidden_size / heads;
  const activation = fields.hidden_act ?? "silu";
  if (activation !== "silu") refuse("unsupported", `hidden_act is "${activation}"; decoders use "silu"`);
  if (fields.use_sliding_window === true)
    refuse("unsupported", "use_sliding_window is true; attention here sees everything");
  if (heads % keyValueHeads !== 0) {
    refuse(
      "invalid-data",
      `num_attention_heads ${heads} is not a multiple of num_key_value_heads ${keyValueHeads}`,
    );
  }
  if (!Number.isInteger(headDim) || headDim % 2 !== 0) {
    refuse(
      "invalid-data",
      `the width of a head must be an even integer, hidden_size / num_attention_heads is ${headDim}`,
    );
  }
  const rope = resolveRope(fields, traits.defaultTheta);
  const sections = traits.multimodal && (rope.sections ?? traits.multimodal.defaultSections);
  const interleaved = traits.multimodal?.interleaved ?? false;
  const total = sections?.reduce((sum, size) => sum + size, 0);
  if (total !== undefined && !interleaved && total !== headDim / 2) {
    refuse(
      "invalid-data",
      `mrope_section adds up to ${total}; a head of ${headDim} has ${headDim / 2} frequencies`,
    );
  }
  return {
    prefix: traits.prefix,
    vocabularySize: fields.vocab_size,
    ...(isToken(fields.pad_token_id, fields.vocab_size) ? { paddingTokenId: fields.pad_token_id } : {}),
    hiddenSize: fields.hidden_size,
    intermediateSize: fields.intermediate_size,
    layers: fields.num_hidden_layers,
    heads,
    keyValueHeads,
    headDim,
    rmsNormEps: fields.rms_norm_eps ?? 1e-6,
    contextLength: fields.max_position_embeddings ?? traits.defaultContext,
    attentionBias: traits.attentionBias,
    outputBias: traits.outputBias ?? false,
    mlpBias: traits.mlpBias ?? false,
    queryKeyNorm: traits.queryKeyNorm,
    tiedHead: traits.tiedHead,
    ropeTheta: rope.theta,
    ...(rope.scale ? { frequencyScale: frequencyScale(headDim, rope.theta, rope.scale) } : {}),
    rotaryAxes: rotaryAxes(headDim / 2, sections, interleaved),
  };
}

function isToken(id: number | null | undefined, vocabularySize: number): id is number {
  return typeof id === "number" && id >= 0 && id < vocabularySize;
}

function frequencyScale(headDim: number, theta: number, scale: (wavelength: number) => number): number[] {
  return Array.from({ length: headDim / 2 }, (_, i) => scale(2 * Math.PI * theta ** ((2 * i) / headDim)));
}

function refuse(code: "unsupported" | "invalid-data", what: string): never {
  throw new VlmR1Error(code, `config.json: ${what}. Compare it with the original checkpoint's file.`);
}
