import * as tf from "@tensorflow/tfjs-core";
import { updateSlice } from "@vlmr1/engine";
import type { Architecture } from "./architecture.ts";
import type { KeyValues } from "./attention.ts";
import {
  decoderForward,
  type FeatureTensors,
  finalNorm,
  type LayerFunction,
  type PassResult,
  type TokenInputs,
} from "./decoder.ts";
import { headScope, logits } from "./head.ts";
import { bucketLength } from "./inputs.ts";
import { type LinearModule, linearModules } from "./linear.ts";
import { type AdapterDropout, type AdapterScaling, rootScope, type Scope } from "./scope.ts";
import type { Tensors } from "./tensors.ts";

/** What the passes need to know of a model. */
export interface PassConfig {
  readonly architecture: Architecture;
  readonly adapters?: AdapterScaling | undefined;
  readonly layer?: LayerFunction | undefined;
}

/** The scope of a model's parameters, split over several records. */
export function modelScope(config: PassConfig, records: readonly Tensors[], dropout?: AdapterDropout): Scope {
  return rootScope(Object.assign({}, ...records) as Tensors, config.adapters, dropout);
}

/** Runs left-padded prompts, `inputs.ids` int32 `[P S]`, for all hidden states or (`lastOnly`) for those of the last slot. */
export function promptPass(
  root: Scope,
  config: PassConfig,
  inputs: TokenInputs,
  images: FeatureTensors | undefined,
  lastOnly: boolean,
): PassResult {
  const [prompts, , slots] = inputs.rotary.cos.shape as [number, number, number];
  const tokens = { prompts, group: 1, length: slots };
  const options = { images, layer: config.layer, lastOnly };
  return decoderForward(root, config.architecture.decoder, inputs, tokens, options);
}

/** What the prompts leave for generation. */
export interface Prefilled {
  /** Logits that predict the first new token, `[P, V]`. */
  readonly logits: tf.Tensor2D;
  /** Per layer `[P, K, S, d]`, S padded to its `bucketLength`. */
  readonly pastKeyValues: readonly KeyValues[];
}

/** Prompts to first logits and the keys and values that all completions share. */
export function prefill(
  root: Scope,
  config: PassConfig,
  inputs: TokenInputs,
  images?: FeatureTensors,
): Prefilled {
  const { decoder } = config.architecture;
  const { hidden, keyValues } = promptPass(root, config, inputs, images, true);
  return {
    logits: logits(headScope(root, decoder), finalNorm(root, decoder, hidden)),
    pastKeyValues: keyValues.map(({ keys, values }) => ({ keys: padSlots(keys), values: padSlots(values) })),
  };
}

/** `[P, K, S, d]` with slots in front that no query sees, so that few decoding graphs serve prompts of all lengths. */
function padSlots(x: tf.Tensor): tf.Tensor {
  const slots = x.shape[2] as number;
  const missing = bucketLength(slots) - slots;
  return missing === 0
    ? x
    : tf.pad(x, [
        [0, 0],
        [0, 0],
        [missing, 0],
        [0, 0],
      ]);
}

/** Inputs of one decoding step: P prompts, G completions each, one token per completion. */
export interface StepInputs extends TokenInputs {
  /** int32 `[4]`: where this token's keys go in the completion cache, `[0, 0, t, 0]`. */
  readonly start: tf.Tensor1D;
}

/** Logits after one more token, and the completion cache with it. */
interface StepResult {
  /** `[P G, V]` */
  readonly logits: tf.Tensor2D;
  /** Per layer `[P, K G, C, d]`. */
  readonly cache: readonly KeyValues[];
  /** What the linear layers of each layer gave, by name, one after the other: per layer `[sum of P G width]`; empty if not wanted. */
  readonly linears: readonly tf.Tensor1D[];
}

/** One token of every completion; it sees the shared prompt, the completion so far (`cache`), and itself. */
export function stepPass(
  root: Scope,
  config: PassConfig,
  inputs: StepInputs,
  prefix: readonly KeyValues[],
  cache: readonly KeyValues[],
  keepLinears = false,
): StepResult {
  const { decoder } = config.architecture;
  const prompts = inputs.rotary.cos.shape[0] as number;
  const group = (inputs.ids.shape[0] as number) / prompts;
  const pastKeyValues = prefix.map((shared, i) => [
    { ...shared, shared: true },
    { ...(cache[i] as KeyValues), shared: false },
  ]);
  const outputs = new Map<string, tf.Tensor>();
  const tokens = { prompts, group, length: 1 };
  const { hidden, keyValues } = decoderForward({ ...root, outputs }, decoder, inputs, tokens, {
    pastKeyValues,
  });
  const grown = keyValues.map((own, i) => {
    const old = cache[i] as KeyValues;
    return {
      keys: updateSlice(old.keys, own.keys, inputs.start),
      values: updateSlice(old.values, own.values, inputs.start),
    };
  });
  const kept = keepLinears ? linearModulesByLayer(config.architecture) : [];
  return {
    logits: logits(headScope(root, decoder), finalNorm(root, decoder, hidden)),
    cache: grown,
    linears: kept.map((modules) =>
      tf.concat(modules.map(({ name }) => tf.reshape(outputs.get(name) as tf.Tensor1D, [-1]))),
    ),
  };
}

/** The linear layers of each layer of a decoder, by name. */
export function linearModulesByLayer({ decoder, tensors }: Architecture): LinearModule[][] {
  const all = linearModules(tensors);
  return Array.from({ length: decoder.layers }, (_, i) => {
    const start = `${decoder.prefix}.layers.${i}.`;
    return all.filter(({ name }) => name.startsWith(start)).sort((a, b) => (a.name < b.name ? -1 : 1));
  });
}

/** Inputs of a pass over whole completions; rows are ordered by step, as decoding computes them. */
export interface CompletionTensors extends TokenInputs {
  /** int32 `[T P G]`: the tokens whose probability is wanted; `ids` `[(T - 1) P G]` are these without the last of each completion. */
  readonly targets: tf.Tensor1D;
}

/**
 * Hidden states, normalized, that predict each of T tokens of G completions to each of P prompts: `[T P G, D]`. The prompt is
 * computed once (with `lastOnly`); the state that predicts the first token is its last one.
 */
export function completionPass(
  root: Scope,
  config: PassConfig,
  prompt: PassResult,
  inputs: CompletionTensors,
): tf.Tensor {
  const { decoder } = config.architecture;
  const [P, , T1] = inputs.rotary.cos.shape as [number, number, number]; // T - 1 tokens are fed
  const G = (inputs.ids.shape[0] as number) / P / T1;
  const D = decoder.hiddenSize;
  const pastKeyValues = prompt.keyValues.map((own) => [{ ...own, shared: true }]);
  const tokens = { prompts: P, group: G, length: T1, stepsFirst: true };
  const { hidden } = decoderForward(root, decoder, inputs, tokens, { pastKeyValues, layer: config.layer }); // [(T - 1) P G, D]
  const last = tf.reshape(prompt.hidden, [P, 1, D]);
  const first = tf.reshape(tf.tile(last, [1, G, 1]), [P * G, D]);
  return finalNorm(root, decoder, tf.concat([first, hidden], 0)); // [T P G, D]
}
