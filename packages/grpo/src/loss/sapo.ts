import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";
import { defineLoss, klWeight, LossOptions } from "./compose.ts";
import { meanOfCompletionMeans } from "./terms.ts";

const SapoOptions = LossOptions.extend({
  beta: klWeight(0),
  temperaturePositive: z.number().positive().default(1).describe("Sharpness of the gate for good answers."),
  temperatureNegative: z
    .number()
    .positive()
    .default(1.05)
    .describe(
      "Sharpness of the gate for bad answers; larger decays faster, because their gradients are noisier.",
    ),
  ratioLevel: z
    .enum(["token", "sequence"])
    .default("token")
    .describe("One ratio for each token or each completion."),
});

/**
 * Soft adaptive policy optimization: a smooth gate in place of the hard clip, whose slope falls off on both sides of ratio 1.
 *
 *     L = -1/B sum_i 1/|o_i| sum_t  A_i  (4 / tau)  sigmoid( tau (r - 1) ),   tau by the sign of A_i
 *
 * SAPO, arXiv:2511.20347.
 */
export const sapoLoss = defineLoss("sapo", SapoOptions, (options) => ({
  ratioLevel: options.ratioLevel,
  surrogate: ({ ratio, advantage }) => {
    const good = tf.cast(tf.greater(advantage, 0), "float32"); // [B, 1]
    const { temperaturePositive, temperatureNegative } = options;
    const tau = tf.add(tf.mul(good, temperaturePositive - temperatureNegative), temperatureNegative); // [B, 1]
    const gate = tf.mul(tf.div(tf.sigmoid(tf.mul(tf.sub(ratio, 1), tau)), tau), 4);
    return { perToken: tf.neg(tf.mul(gate, advantage)) as tf.Tensor2D, metrics: {} };
  },
  aggregate: meanOfCompletionMeans,
}));
