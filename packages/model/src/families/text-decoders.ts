import { z } from "zod";
import type { Architecture } from "../network/architecture.ts";
import { type DecoderConfig, decoderTensors } from "../network/decoder.ts";
import { consecutivePositions } from "../network/rotary.ts";
import { parseConfig } from "../weights/documents.ts";
import { decoderConfig, decoderFields, type DecoderTraits } from "./decoder-config.ts";
import type { Family } from "./family.ts";

/** Text-only Llama decoders, SmolLM2 among them. https://arxiv.org/abs/2302.13971 */
export const llama: Family = {
  modelTypes: ["llama"],
  boxFrame: "unit",
  renames: [],
  architecture: (json): Architecture => {
    const decoder = parseLlamaConfig(json);
    return {
      modelType: "llama",
      decoder,
      tensors: decoderTensors(decoder),
      positions: (ids) => consecutivePositions(ids.length),
    };
  },
};

/** The fields of a Llama configuration, which is also the text part of SmolVLM and Idefics3. */
export const llamaFields = z.looseObject({
  ...decoderFields.shape,
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
});

const llamaSchema = z.looseObject({ ...llamaFields.shape, model_type: z.literal("llama") });

/** A Llama decoder under the canonical name `prefix`. */
export function llamaDecoder(
  config: z.output<typeof llamaFields>,
  prefix: string,
  tiedHead: boolean,
): DecoderConfig {
  return decoderConfig(config, {
    prefix,
    attentionBias: config.attention_bias ?? false,
    outputBias: config.attention_bias ?? false,
    mlpBias: config.mlp_bias ?? false,
    queryKeyNorm: false,
    defaultTheta: 10_000,
    defaultContext: 2048,
    tiedHead,
  });
}

/**
 * Reads the parsed `config.json` of a text-only Llama.
 *
 * @throws VlmR1Error `invalid-data` that names the first field that is wrong.
 */
function parseLlamaConfig(json: unknown): DecoderConfig {
  const config = parseConfig(llamaSchema, json, "config.json");
  return llamaDecoder(config, "model", config.tie_word_embeddings ?? false);
}

/** Text-only Qwen2 and Qwen2.5 decoders. https://arxiv.org/abs/2412.15115 */
export const qwen2: Family = {
  modelTypes: ["qwen2"],
  boxFrame: "unit",
  renames: [],
  architecture: (json): Architecture => {
    const decoder = parseQwen2Config(json);
    return {
      modelType: "qwen2",
      decoder,
      tensors: decoderTensors(decoder),
      positions: (ids) => consecutivePositions(ids.length),
    };
  },
};

const qwen2Schema = z.looseObject({ ...decoderFields.shape, model_type: z.literal("qwen2") });

/**
 * A Qwen2 decoder under the canonical name `prefix`: Llama with biases on queries, keys and values. `multimodal` gives it the
 * positions of the vision-language models.
 */
export function qwen2Decoder(
  config: z.output<typeof decoderFields>,
  prefix: string,
  tiedHead: boolean,
  multimodal?: DecoderTraits["multimodal"],
): DecoderConfig {
  return decoderConfig(config, {
    ...(multimodal ? { multimodal } : {}),
    prefix,
    attentionBias: true,
    queryKeyNorm: false,
    defaultTheta: 10_000,
    defaultContext: 32_768,
    tiedHead,
  });
}

/**
 * Reads the parsed `config.json` of a text-only Qwen2 or Qwen2.5.
 *
 * @throws VlmR1Error `invalid-data` that names the first field that is wrong.
 */
function parseQwen2Config(json: unknown): DecoderConfig {
  const config = parseConfig(qwen2Schema, json, "config.json");
  return qwen2Decoder(config, "model", config.tie_word_embeddings ?? false);
}

/** A Qwen3 decoder under the canonical name `prefix`: normalized queries and keys, and no biases unless the file asks for them. */
export function qwen3Decoder(
  config: z.output<typeof decoderFields>,
  prefix: string,
  tiedHead: boolean,
  defaults: Pick<DecoderTraits, "defaultTheta" | "defaultContext" | "multimodal">,
): DecoderConfig {
  const attentionBias = config["attention_bias"] === true;
  return decoderConfig(config, {
    ...defaults,
    prefix,
    attentionBias,
    outputBias: attentionBias,
    queryKeyNorm: true,
    defaultHeadDim: 128,
    tiedHead,
  });
}
