import * as tf from "@tensorflow/tfjs";
import { checkpoint } from "@vlmr1/engine";
import type { Tensors } from "../family.ts";
import { headScope, type LayerFunction, type TokenInputs } from "../language-model.ts";
import { decoderLayer } from "../layers/decoder.ts";
import { targetScores } from "../layers/head.ts";
import type { AdapterDropout, Scope } from "../layers/scope.ts";
import {
  answerPass,
  modelScope,
  promptPass,
  type AnswerTensors,
  type FeatureTensors,
  type PassConfig,
} from "../passes.ts";

/** Logits that exist at the same time while log-probabilities are computed, in numbers. */
const LOGITS_AT_ONCE = 8e6;

/** Images of a batch: features that are ready, or pixels when the tower is trained. */
export interface TrainingImages {
  readonly ready: FeatureTensors | null;
  readonly pixels: {
    readonly inputs: Readonly<Record<string, tf.Tensor>>;
    readonly slots: FeatureTensors["slots"];
  } | null;
}

/** What the forward pass over a batch takes. */
export interface ForwardTensors {
  readonly prompt: TokenInputs;
  readonly answer: AnswerTensors;
  readonly images: TrainingImages;
  /** Divides the logits. */
  readonly temperature: tf.Scalar;
  /** For adapters with dropout, while they are trained. */
  readonly noise: Pick<AdapterDropout, "rows" | "columns"> | null;
  /** What the linear layers give for the tokens of the answers, where the rollout kept it: by module name, `[(T - 1) P G, width]`. */
  readonly known: Tensors | null;
}

export interface ForwardOptions extends PassConfig {
  readonly entropies: boolean;
  readonly headIsTrained: boolean;
  /** Share of the adapters' inputs that is zeroed; 0 when nothing is trained. */
  readonly dropout: number;
}

/** `TargetScores` of answers, each `[P G, T]`. */
export interface AnswerScores {
  readonly logProbs: tf.Tensor2D;
  readonly entropies?: tf.Tensor2D;
}

function imageFeatures(
  options: ForwardOptions,
  tensors: Tensors,
  images: TrainingImages,
): FeatureTensors | undefined {
  const { vision } = options.architecture;
  if (!images.pixels || !vision) return images.ready ?? undefined;
  const { features, deepstack } = vision.forward(tensors, images.pixels.inputs, options.adapters);
  return { features, deepstack, slots: images.pixels.slots };
}

/**
 * log p of every answer token, `[P G, T]`: images once, prompts once, answers over the keys and values of their prompt. Gradients flow
 * the same way back.
 */
export function scoreAnswers(
  options: ForwardOptions,
  records: readonly Tensors[],
  inputs: ForwardTensors,
): AnswerScores {
  const { decoder } = options.architecture;
  const dropout =
    inputs.noise && options.dropout > 0 ? { ...inputs.noise, rate: options.dropout } : undefined;
  const root = modelScope(options, records, dropout);
  const images = imageFeatures(options, root.tensors, inputs.images);
  const prompt = promptPass(root, options, inputs.prompt, images, true);
  const known = inputs.known ?? undefined;
  const hidden = answerPass({ ...root, known }, options, prompt, inputs.answer); // [T P G, D]
  const { logProbs, entropies } = targetScores(headScope(root, decoder), hidden, inputs.answer.targets, {
    temperature: inputs.temperature,
    trainable: options.headIsTrained,
    entropies: options.entropies,
    chunkRows: Math.max(16, Math.floor(LOGITS_AT_ONCE / decoder.vocabularySize)),
  });
  const T = (inputs.answer.rotary.cos.shape[2] as number) + 1;
  const byAnswer = (x: tf.Tensor): tf.Tensor2D => tf.transpose(tf.reshape(x, [T, -1])) as tf.Tensor2D; // [P G, T]
  return { logProbs: byAnswer(logProbs), ...(entropies && { entropies: byAnswer(entropies) }) };
}

/** A decoder layer that keeps only its inputs for the backward pass and computes the rest again (https://arxiv.org/abs/1604.06174). */
export const checkpointedLayer: LayerFunction = (scope, config, x, tokens, pass, earlier) => {
  const own = Object.fromEntries(
    Object.entries(scope.tensors).filter(([name]) => name.startsWith(`${scope.name}.`)),
  );
  const [rows, width] = x.shape as [number, number];
  const keys = tokens.prompts * tokens.group * tokens.length * config.keyValueHeads * config.headDim;
  const shape = [tokens.prompts, config.keyValueHeads * tokens.group, tokens.length, config.headDim];
  const run = checkpoint(
    (
      x: tf.Tensor,
      weights: Tensors,
      pass: Parameters<LayerFunction>[4],
      earlier: Parameters<LayerFunction>[5],
    ): tf.Tensor => {
      const inner: Scope = { ...scope, tensors: weights };
      const { hidden, own } = decoderLayer(inner, config, x, tokens, pass, earlier);
      return tf.concat([hidden, own.keys, own.values].map((part) => tf.reshape(part, [-1]))); // one tensor, as checkpoint wants
    },
  );
  const joined = run(x, own, pass, earlier);
  const [hidden, k, v] = tf.split(joined, [rows * width, keys, keys]) as [tf.Tensor, tf.Tensor, tf.Tensor];
  return {
    hidden: tf.reshape(hidden, [rows, width]),
    own: { keys: tf.reshape(k, shape), values: tf.reshape(v, shape) },
  };
};
