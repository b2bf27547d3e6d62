import * as tf from "@tensorflow/tfjs";
import type { DecoderConfig } from "./family.ts";
import type { KeyPart, KeyValues } from "./layers/attention.ts";
import {
  closingLayer,
  decoderLayer,
  type LayerResult,
  type PassInputs,
  type TokenShape,
} from "./layers/decoder.ts";
import { embed, placeFeatures, spreadFeatures, type FeatureSlots } from "./layers/embedding.ts";
import { rmsNorm } from "./layers/norm.ts";
import { child, parameter, type Scope } from "./layers/scope.ts";

/** One decoder layer, or something that computes the same (gradient checkpointing). */
export type LayerFunction = (
  scope: Scope,
  config: DecoderConfig,
  x: tf.Tensor,
  tokens: TokenShape,
  pass: PassInputs,
  earlier: readonly KeyPart[],
) => LayerResult;

/** Image features of a prompt pass. */
export interface PlacedFeatures extends FeatureSlots {
  /** `[rows, D]` */
  readonly features: tf.Tensor;
  /** Added after the first decoder layers, each `[rows, D]`. */
  readonly deepstack: readonly tf.Tensor[];
}

/** Inputs of a pass over prompts or answers. */
export interface TokenInputs extends PassInputs {
  /** int32 `[P G T]` */
  readonly ids: tf.Tensor1D;
}

/** How a pass differs from the plain one. */
export interface PassOptions {
  /** What earlier tokens left, per layer: the shared prompt, the answer so far. */
  readonly earlier?: readonly (readonly KeyPart[])[] | undefined;
  readonly images?: PlacedFeatures | undefined;
  readonly layer?: LayerFunction | undefined;
  /** Only the hidden state of each sequence's last token is wanted, `[P, D]`: the last layer computes no more. */
  readonly lastOnly?: boolean;
}

/** What a pass leaves behind. */
export interface PassResult {
  /** Hidden states before the final norm, `[P G T, D]`, or `[P, D]` with `lastOnly`. */
  readonly hidden: tf.Tensor;
  /** Keys and values of every layer, `[P, K G, T, d]`, rotated. */
  readonly keyValues: readonly KeyValues[];
}

/**
 * Runs the decoder over tokens. The prompt is a pass with group 1 and image features; answers are passes with group G that see the
 * prompt's keys.
 */
export function decode(
  root: Scope,
  config: DecoderConfig,
  inputs: TokenInputs,
  tokens: TokenShape,
  options: PassOptions = {},
): PassResult {
  const { earlier, images, layer = decoderLayer } = options;
  const scope = child(root, config.prefix);
  const last = options.lastOnly ? config.layers - 1 : config.layers;
  let x: tf.Tensor = embed(child(scope, "embed_tokens"), inputs.ids, config.paddingTokenId); // [P G T, D]
  if (images) x = placeFeatures(x, images.features, images);
  const keyValues: KeyValues[] = [];
  for (let i = 0; i < config.layers; i++) {
    const run = i === last ? closingLayer : layer;
    const result = run(child(scope, `layers.${i}`), config, x, tokens, inputs, earlier?.[i] ?? []);
    const extra = i === last ? undefined : images?.deepstack[i]; // the last token of a prompt is never an image
    x = images && extra ? tf.add(result.hidden, spreadFeatures(extra, images)) : result.hidden;
    keyValues.push(result.own);
  }
  return { hidden: x, keyValues };
}

/** The final norm: `[n, D]`. */
export function finalNorm(root: Scope, config: DecoderConfig, hidden: tf.Tensor): tf.Tensor {
  return rmsNorm(child(child(root, config.prefix), "norm"), hidden, config.rmsNormEps);
}

/** The module that turns hidden states into logits: its weight is the embedding's when the head is tied, an adapter is its own. */
export function headScope(root: Scope, config: DecoderConfig): Scope {
  const head = child(root, "lm_head");
  if (!config.tiedHead) return head;
  const embedding = parameter(child(child(root, config.prefix), "embed_tokens"), "weight");
  return { ...head, tensors: { ...root.tensors, "lm_head.weight": embedding } };
}
