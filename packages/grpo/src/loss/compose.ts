import * as tf from "@tensorflow/tfjs-core";
import type { PolicyLoss, PolicyLossInputs } from "@vlmr1/policy";
import { z } from "zod";
import { defineVariant, type Variant } from "../variant.ts";
import {
  detached,
  importanceRatio,
  klDivergence,
  maskedMean,
  maskedSum,
  meanOver,
  offPolicyMask,
  SamplerCorrection,
  samplerWeights,
  topEntropyMask,
  type RatioLevel,
} from "./terms.ts";

/** The option `beta`, whose default is the variant's own: papers that dropped the KL term have 0. */
export const klWeight = (fallback: number) =>
  z
    .number()
    .min(0)
    .default(fallback)
    .describe(
      "Weight of the KL term that holds the policy near its reference; 0 leaves it out and needs no reference.",
    );

/** What every loss variant can do beside its own surrogate. */
export const LossOptions = z.strictObject({
  beta: klWeight(0.04),
  kl: z.enum(["k1", "k2", "k3"]).default("k3").describe("Estimator of the KL term."),
  biasCorrectedKl: z
    .boolean()
    .default(false)
    .describe("Multiply the KL term by the importance ratio, which makes its gradient unbiased off-policy."),
  entropyCoefficient: z
    .number()
    .default(0)
    .describe("Weight of a bonus for the policy's entropy; 0 is none."),
  topEntropy: z
    .number()
    .gt(0)
    .max(1)
    .default(1)
    .describe("Fraction of tokens, the least certain ones, that the policy term learns from; 1 is all."),
  offPolicyThreshold: z
    .number()
    .optional()
    .describe(
      "Drop bad answers whose mean log-probability fell by more than this since sampling, in nats; absent: keep.",
    ),
  samplerCorrection: SamplerCorrection.optional().describe(
    "Importance weights for a sampler that is not the policy (a server, quantised weights); absent: per token, cut at 2.",
  ),
  reportEntropy: z.boolean().default(true).describe("Measure the policy's entropy for reports and guards."),
});
export type LossOptions = z.output<typeof LossOptions>;

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

const defaultCorrection = SamplerCorrection.parse({});

function policyTerm(recipe: LossRecipe, inputs: PolicyLossInputs, ratio: tf.Tensor2D) {
  const { options } = recipe;
  const { logProbs, oldLogProbs, samplerLogProbs, entropies, advantages, mask } = inputs;
  const weight = samplerWeights(inputs, options.samplerCorrection ?? defaultCorrection);
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

/**
 * A published variant: its name, the schema of its options, and its recipe. The result is the constructor (`dapoLoss({ clipHigh: 0.28 })`)
 * and carries name and schema; listed in variants.ts it is on the command line, in the help and in docs/configuration.md.
 */
export function defineLoss<const Name extends string, Schema extends typeof LossOptions>(
  name: Name,
  schema: Schema,
  recipe: (options: z.output<Schema>) => Omit<LossRecipe, "name" | "options">,
): Variant<Name, Schema, PolicyLoss> {
  return defineVariant(name, schema, "loss", (options) => composeLoss({ name, options, ...recipe(options) }));
}
