import type * as tf from "@tensorflow/tfjs";
import { stopGradient, valueAndGrad, type Compiled, type Engine } from "@vlmr1/engine";
import type { Tensors } from "../family.ts";
import type { PolicyLoss } from "@vlmr1/policy";
import { scoreAnswers, type ForwardOptions, type ForwardTensors } from "./training-pass.ts";

/** Per-token and per-answer inputs of a loss; B = P G answers of T tokens, padding included. */
export interface LossTensors {
  /** `[B]` */
  readonly advantages: tf.Tensor1D;
  /** `[B, T]` */
  readonly mask: tf.Tensor2D;
  /** Each `[B, T]`, null when the batch has none. */
  readonly oldLogProbs: tf.Tensor2D | null;
  readonly referenceLogProbs: tf.Tensor2D | null;
  readonly samplerLogProbs: tf.Tensor2D | null;
  readonly totalCompletions: tf.Scalar;
  readonly totalTokens: tf.Scalar;
  readonly maxNewTokens: tf.Scalar;
  readonly microBatches: tf.Scalar;
}

/** What a gradient program returns. */
export interface GradientResult {
  readonly loss: tf.Scalar;
  readonly metrics: Readonly<Record<string, tf.Scalar>>;
  /** `[B, T]` */
  readonly logProbs: tf.Tensor2D;
  /** `[B, T]`, when the loss asks for them. */
  readonly entropies: tf.Tensor2D | null;
  /** By parameter name. */
  readonly gradients: Tensors;
}

type GradientFunction = (
  trained: Tensors,
  frozen: Tensors,
  forward: ForwardTensors,
  loss: LossTensors,
) => GradientResult;

/** A compiled forward and backward pass. */
export type GradientProgram = Compiled<Parameters<GradientFunction>, GradientResult>;

function lossInputs(
  given: LossTensors,
  logProbs: tf.Tensor2D,
  entropies: tf.Tensor2D | undefined,
): Parameters<PolicyLoss["compute"]>[0] {
  const { oldLogProbs, referenceLogProbs, samplerLogProbs, ...rest } = given;
  return {
    ...rest,
    logProbs,
    oldLogProbs: oldLogProbs ?? stopGradient(logProbs),
    ...(entropies && { entropies }),
    ...(referenceLogProbs && { referenceLogProbs }),
    ...(samplerLogProbs && { samplerLogProbs }),
  };
}

/** Compiles the gradient of a loss by the trained parameters. */
export function compileGradient(engine: Engine, options: ForwardOptions, loss: PolicyLoss): GradientProgram {
  const forwardLoss = (trained: Tensors, frozen: Tensors, forward: ForwardTensors, given: LossTensors) => {
    const { logProbs, entropies } = scoreAnswers(options, [frozen, trained], forward);
    const { loss: value, metrics } = loss.compute(lossInputs(given, logProbs, entropies));
    return { value, aux: { metrics, logProbs, entropies: entropies ?? null } };
  };
  return engine.compile<Parameters<GradientFunction>, GradientResult>(
    (trained, frozen, forward, given) => {
      const { value, grads, aux } = valueAndGrad(forwardLoss)(trained, frozen, forward, given);
      return { loss: value, ...aux, gradients: grads } as GradientResult;
    },
    { name: `gradient of ${loss.key}` },
  );
}

/** Compiles log-probabilities alone, `[P G, T]`. */
export function compileScores(engine: Engine, options: ForwardOptions) {
  return engine.compile(
    (trained: Tensors, frozen: Tensors, forward: ForwardTensors): tf.Tensor2D =>
      scoreAnswers(options, [frozen, trained], forward).logProbs,
    { name: "log-probabilities" },
  );
}
