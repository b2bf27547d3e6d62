import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";
import { defineLoss, klWeight, LossOptions } from "./compose.ts";
import { clampExponent, detached, logRatio, meanOfAllTokens } from "./terms.ts";

const shape = (what: string, value: number) => z.number().positive().default(value).describe(what);
const VespoOptions = LossOptions.extend({
  beta: klWeight(0),
  kPositive: shape("Power of the weight for good answers.", 2),
  lambdaPositive: shape("Decay of the weight for good answers.", 3),
  kNegative: shape("Power of the weight for bad answers.", 3),
  lambdaNegative: shape("Decay of the weight for bad answers.", 2),
});

/**
 * Variational sequence-level soft policy optimization: each completion's REINFORCE term is weighed by a smooth bump over its
 * sequence ratio w, phi(w) = w^k exp(lambda (1 - w)), without gradient.
 *
 * VESPO, arXiv:2602.10693; clamps as in TRL's `vespo`. The sampler's correction enters w.
 */
export const vespoLoss = defineLoss("vespo", VespoOptions, (options) => {
  const { kPositive, lambdaPositive, kNegative, lambdaNegative } = options;
  return {
    ratioLevel: "token",
    weighsSampler: true,
    surrogate: (inputs) => {
      const { advantage, logProbs, mask, samplerWeight } = inputs;
      const good = tf.greaterEqual(advantage, 0); // [B, 1]
      const phi = detached((now) => {
        let logWeights = clampExponent(logRatio({ ...inputs, logProbs: now as tf.Tensor2D })); // [B, T]
        if (samplerWeight) {
          const correction = clampExponent(tf.log(tf.maximum(samplerWeight, 1e-9)));
          logWeights = tf.add(logWeights, tf.mul(correction, mask));
        }
        const sum = tf.sum(logWeights, 1, true); // [B, 1]
        const logWeight = tf.clipByValue(sum, Math.log(1e-8), 20);
        const k = tf.where(good, tf.fill(sum.shape, kPositive), tf.fill(sum.shape, kNegative));
        const lambda = tf.where(good, tf.fill(sum.shape, lambdaPositive), tf.fill(sum.shape, lambdaNegative));
        const fall = tf.mul(lambda, tf.sub(1, tf.exp(logWeight)));
        return tf.exp(tf.add(tf.mul(k, logWeight), fall)); // [B, 1]
      }, logProbs);
      return {
        perToken: tf.neg(tf.mul(tf.mul(phi, advantage), logProbs)) as tf.Tensor2D,
        metrics: { phi: tf.mean(phi) },
      };
    },
    aggregate: meanOfAllTokens,
  };
});
