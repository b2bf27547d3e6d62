import * as tf from "@tensorflow/tfjs";
import { detached } from "./detached.ts";
import { klDivergence } from "./kl.ts";
import type { LossOptions } from "./loss-options.ts";
import { maskedMean, maskedSum, meanOver } from "./masked.ts";
import type { PolicyLoss, PolicyLossInputs } from "@vlmr1/policy";
import { importanceRatio, type RatioLevel } from "./ratio.ts";
import { samplerWeights } from "./sampler-correction.ts";
import { offPolicyMask, topEntropyMask } from "./token-masks.ts";

type Metrics = Readonly<Record<string, tf.Scalar>>;

/** What a surrogate may look at beside the inputs of the loss. */
export interface SurrogateInputs extends PolicyLossInputs {
  /** pi_theta / pi_old. [B, T] or [B, 1] */
  readonly ratio: tf.Tensor2D;
  /** One per completion, ready to broadcast. [B, 1] */
  readonly advantage: tf.Tensor2D;
  /** Truncated pi_old / pi_sampler, when the loss corrects for the sampler. [B, T] or [B, 1] */
  readonly samplerWeight?: tf.Tensor2D;
}

/** What makes a variant: everything else is shared. */
export interface LossRecipe {
  readonly name: string;
  readonly options: LossOptions;
  readonly ratioLevel: RatioLevel;
  /** The policy term of each token, before masks. [B, T] or [B, 1] */
  readonly surrogate: (inputs: SurrogateInputs) => {
    readonly perToken: tf.Tensor2D;
    readonly metrics: Metrics;
  };
  /** Set by a surrogate that uses `samplerWeight` itself. */
  readonly weighsSampler?: boolean;
  /** From one number per token to the micro-batch's share of the loss. */
  readonly aggregate: (perToken: tf.Tensor2D, inputs: PolicyLossInputs) => tf.Scalar;
}

/**
 * Makes a loss of its recipe:
 *
 *     loss = aggregate( surrogate x token masks x sampler weights  +  beta KL )  -  c H
 *
 * Metrics: `kl`, `entropy`, `ratio`, `samplerRatio` where they exist, and the surrogate's own.
 */
export function composeLoss(recipe: LossRecipe): PolicyLoss {
  const { name, options } = recipe;
  const needsEntropies = options.reportEntropy || options.entropyCoefficient !== 0 || options.topEntropy < 1;
  return {
    key: `${name}${JSON.stringify(options)}`,
    needs: { entropies: needsEntropies, reference: options.beta > 0 },
    compute: (inputs) => {
      const ratio = importanceRatio(inputs, recipe.ratioLevel);
      const { perToken, metrics } = policyTerm(recipe, inputs, ratio);
      const kl = klTerm(options, inputs, ratio);
      const total =
        kl && options.beta > 0 ? (tf.add(perToken, tf.mul(kl, options.beta)) as tf.Tensor2D) : perToken;
      const loss = recipe.aggregate(tf.mul(total, inputs.mask), inputs); // [B, T] -> []
      return {
        loss: withEntropyBonus(options, inputs, loss),
        metrics: {
          ...metrics,
          ratio: meanOver(ratio, inputs.mask),
          ...(kl && { kl: maskedMean(kl, inputs.mask) }),
          ...(inputs.entropies && { entropy: maskedMean(inputs.entropies, inputs.mask) }),
        },
      };
    },
  };
}

function policyTerm(recipe: LossRecipe, inputs: PolicyLossInputs, ratio: tf.Tensor2D) {
  const { options } = recipe;
  const { logProbs, oldLogProbs, samplerLogProbs, entropies, advantages, mask } = inputs;
  const weight = options.samplerCorrection && samplerWeights(inputs, options.samplerCorrection);
  const advantage = tf.expandDims(advantages, 1) as tf.Tensor2D; // [B] -> [B, 1]
  const term = recipe.surrogate({ ...inputs, ratio, advantage, ...(weight && { samplerWeight: weight }) });
  let { perToken } = term;
  const threshold = options.offPolicyThreshold;
  if (threshold !== undefined) {
    const origin = samplerLogProbs ?? oldLogProbs;
    const keep = detached(
      (now) => offPolicyMask(now as tf.Tensor2D, origin, advantages, mask, threshold),
      logProbs,
    );
    perToken = tf.mul(perToken, keep); // [B, T] or [B, 1], by [B, 1]
  }
  if (options.topEntropy < 1 && entropies) {
    const quantile = 1 - options.topEntropy;
    const uncertain = detached(
      (entropy) => topEntropyMask(entropy as tf.Tensor2D, mask, quantile),
      entropies,
    );
    perToken = tf.mul(perToken, uncertain);
  }
  if (!weight) return { perToken, metrics: term.metrics };
  const metrics: Metrics = { ...term.metrics, samplerRatio: meanOver(weight, mask) };
  return { perToken: recipe.weighsSampler ? perToken : (tf.mul(perToken, weight) as tf.Tensor2D), metrics };
}

/** Per-token KL to the reference, [B, T]; measured when there is a reference, even with beta 0. */
function klTerm(options: LossOptions, inputs: PolicyLossInputs, ratio: tf.Tensor2D): tf.Tensor2D | undefined {
  const { logProbs, referenceLogProbs, mask } = inputs;
  if (referenceLogProbs === undefined) return undefined;
  const kl = klDivergence(tf.mul(logProbs, mask), tf.mul(referenceLogProbs, mask), options.kl);
  return options.biasCorrectedKl ? (tf.mul(kl, ratio) as tf.Tensor2D) : kl;
}

function withEntropyBonus(options: LossOptions, inputs: PolicyLossInputs, loss: tf.Scalar): tf.Scalar {
  const { entropies, mask, totalTokens } = inputs;
  if (options.entropyCoefficient === 0 || entropies === undefined) return loss;
  const share = tf.div(maskedSum(entropies, mask), tf.maximum(totalTokens, 1)); // []
  return tf.sub(loss, tf.mul(share, options.entropyCoefficient));
}
