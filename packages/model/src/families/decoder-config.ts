import { VlmR1Error } from "@vlmr1/core";
import { z } from "zod";
import type { DecoderConfig } from "../network/decoder.ts";
import { rotaryAxes } from "../network/rotary.ts";
import { dimension, layerCount, positive } from "../weights/documents.ts";

/** Rotary settings inside `rope_scaling` (transformers 4) or `rope_parameters` (transformers 5). */
const ropeTable = z
  .looseObject({
    rope_type: z.string().nullish(),
    type: z.string().nullish(),
    rope_theta: positive.nullish(),
    factor: positive.nullish(),
    low_freq_factor: positive.nullish(),
    high_freq_factor: positive.nullish(),
    attention_factor: positive.nullish(),
    beta_fast: positive.nullish(),
    beta_slow: positive.nullish(),
    mscale: z.number().min(0).finite().nullish(),
    mscale_all_dim: z.number().min(0).finite().nullish(),
    truncate: z.boolean().nullish(),
    original_max_position_embeddings: dimension.nullish(),
    mrope_section: z.array(z.int().min(0)).length(3).nullish(),
  })
  .nullish();

type RopeTable = NonNullable<z.output<typeof ropeTable>>;

/** The rotary fields of a text configuration, in any of the styles that releases of transformers wrote. */
const ropeFields = z.looseObject({
  max_position_embeddings: dimension.nullish(),
  rope_theta: positive.nullish(),
  rope_scaling: ropeTable,
  rope_parameters: ropeTable,
});

/** Rotary settings with the styles resolved. */
interface RopeConfig {
  readonly theta: number;
  /** Frequencies per axis (time, row, column); undefined when the file has none. */
  readonly sections: readonly number[] | undefined;
  /** How frequencies are stretched for longer contexts; undefined: not at all. */
  readonly scaling: RopeScaling | undefined;
}

interface RopeScaling {
  /** What each of the `headDim / 2` frequencies is multiplied by. */
  readonly frequencyScale: readonly number[];
  /** What queries and keys are multiplied by; 1 unless the kind of scaling says otherwise. */
  readonly rotaryScale: number;
  /** Longest sequence that the scaling was made for; undefined: `max_position_embeddings`. */
  readonly contextLength?: number;
}

/**
 * Resolves the rotary fields: `rope_parameters`, then the flat `rope_theta`, then `rope_scaling`, then the default of the class.
 *
 * Throws `VlmR1Error` (`unsupported`) for a kind of scaling that is not known.
 */
function resolveRope(fields: z.output<typeof ropeFields>, defaultTheta: number, headDim: number): RopeConfig {
  const tables = [fields.rope_parameters, fields.rope_scaling].filter(
    (table) => table !== undefined && table !== null,
  );
  const theta =
    fields.rope_parameters?.rope_theta ??
    fields.rope_theta ??
    fields.rope_scaling?.rope_theta ??
    defaultTheta;
  const context = fields.max_position_embeddings ?? undefined;
  return {
    theta,
    sections: tables.find((table) => table.mrope_section)?.mrope_section ?? undefined,
    scaling: tables.map((table) => ropeScaling(table, { theta, headDim, context })).find((found) => found),
  };
}

/** What scaling depends on beside its own fields. */
interface RopeBase {
  readonly theta: number;
  readonly headDim: number;
  /** `max_position_embeddings` */
  readonly context: number | undefined;
}

function ropeScaling(table: RopeTable, base: RopeBase): RopeScaling | undefined {
  const type = table.rope_type ?? table.type ?? "default";
  const eachFrequency = (scale: (i: number) => number): number[] =>
    Array.from({ length: base.headDim / 2 }, (_, i) => scale(i));
  switch (type) {
    case "default":
    case "mrope":
    case "dynamic": // Without effect up to max_position_embeddings, which is as far as prompts may go.
      return undefined;
    case "linear": {
      const factor = need(table.factor, "factor");
      return { frequencyScale: eachFrequency(() => 1 / factor), rotaryScale: 1 };
    }
    case "llama3":
      return { frequencyScale: eachFrequency(llama3Scale(table, base)), rotaryScale: 1 };
    case "yarn":
      return yarnScaling(table, base, eachFrequency);
    default:
      throw new VlmR1Error(
        "unsupported",
        `config.json: rotary scaling "${type}" is not supported (supported: default, mrope, dynamic, linear, llama3, yarn). ` +
          "Remove the scaling if prompts stay within the original context.",
      );
  }
}

/** Llama 3.1: long wavelengths are stretched by `factor`, short ones kept, a ramp between. https://arxiv.org/abs/2407.21783 */
function llama3Scale(table: RopeTable, { theta, headDim, context }: RopeBase): (i: number) => number {
  const factor = need(table.factor, "factor");
  const low = need(table.low_freq_factor, "low_freq_factor");
  const high = need(table.high_freq_factor, "high_freq_factor");
  const original = need(
    table.original_max_position_embeddings ?? context,
    "original_max_position_embeddings",
  );
  return (i) => {
    const wavelength = 2 * Math.PI * theta ** ((2 * i) / headDim); // in tokens
    if (wavelength > original / low) return 1 / factor;
    if (wavelength < original / high) return 1;
    const smooth = (original / wavelength - low) / (high - low);
    return (1 - smooth) / factor + smooth;
  };
}

/**
 * YaRN (https://arxiv.org/abs/2309.00071, sections 3.2 to 3.4): frequencies that turn more than `beta_fast` times in the original
 * context are kept, those that turn less than `beta_slow` times are stretched by `factor`, a ramp over their indices lies between,
 * and queries and keys are multiplied by 0.1 ln(factor) + 1. Source of the details: `_compute_yarn_parameters` of transformers.
 */
function yarnScaling(
  table: RopeTable,
  { theta, headDim, context }: RopeBase,
  eachFrequency: (scale: (i: number) => number) => number[],
): RopeScaling {
  const original = need(
    table.original_max_position_embeddings ?? context,
    "original_max_position_embeddings",
  );
  const factor = table.factor ?? need(context, "factor") / original;
  if (theta <= 1) refuse("invalid-data", `rope_theta is ${theta}; YaRN needs more than 1`);
  const indexOf = (turns: number): number =>
    (headDim * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const [first, end] = [indexOf(table.beta_fast ?? 32), indexOf(table.beta_slow ?? 1)];
  const truncate = table.truncate ?? true;
  const low = Math.max(truncate ? Math.floor(first) : first, 0);
  const high = Math.min(truncate ? Math.ceil(end) : end, headDim - 1);
  const width = low === high ? 0.001 : high - low;
  const stretched = (i: number): number => Math.min(Math.max((i - low) / width, 0), 1);
  const grow = (mscale: number): number => (factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1);
  const { mscale, mscale_all_dim: all } = table;
  return {
    frequencyScale: eachFrequency((i) => stretched(i) / factor + (1 - stretched(i))),
    rotaryScale: table.attention_factor ?? (mscale && all ? grow(mscale) / grow(all) : grow(1)),
    contextLength: Math.floor(original * factor),
  };
}

function need(value: number | null | undefined, field: string): number {
  if (value !== undefined && value !== null) return value;
  throw new VlmR1Error(
    "invalid-data",
    `config.json: the rotary scaling has no ${field}. Compare it with the original checkpoint's file.`,
  );
}

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
  /** Multimodal positions: how frequencies are dealt to the axes, and the sections when the file has none. Absent: plain RoPE. */
  readonly multimodal?: { readonly interleaved: boolean; readonly defaultSections: readonly number[] };
  /** Default of `head_dim`; undefined: hidden size / heads. */
  readonly defaultHeadDim?: number;
}

/**
 * A decoder's numbers from the fields of its configuration.
 *
 * Throws `VlmR1Error` (`invalid-data`) when sizes contradict each other, (`unsupported`) for an activation or attention that none
 * of the families has.
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
  const rope = resolveRope(fields, traits.defaultTheta, headDim);
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
    contextLength: Math.max(
      fields.max_position_embeddings ?? traits.defaultContext,
      rope.scaling?.contextLength ?? 0,
    ),
    attentionBias: traits.attentionBias,
    outputBias: traits.outputBias ?? false,
    mlpBias: traits.mlpBias ?? false,
    queryKeyNorm: traits.queryKeyNorm,
    tiedHead: traits.tiedHead,
    ropeTheta: rope.theta,
    ...(rope.scaling && {
      frequencyScale: rope.scaling.frequencyScale,
      rotaryScale: rope.scaling.rotaryScale,
    }),
    rotaryAxes: rotaryAxes(headDim / 2, sections, interleaved),
  };
}

function isToken(id: number | null | undefined, vocabularySize: number): id is number {
  return typeof id === "number" && id >= 0 && id < vocabularySize;
}

function refuse(code: "unsupported" | "invalid-data", what: string): never {
  throw new VlmR1Error(code, `config.json: ${what}. Compare it with the original checkpoint's file.`);
}
