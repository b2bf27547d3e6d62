import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";
import type { Optimizer, OptimizerInputs } from "@vlmr1/policy";
import { defineVariant } from "../variant.ts";
import { parameterConstants, ParameterOptions } from "./parameters.ts";

/** Options of Adam and AdamW; the defaults are PyTorch's, but for the weight decay. */
export const AdamOptions = ParameterOptions.extend({
  betas: z
    .tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)])
    .default([0.9, 0.999])
    .describe("Decay of the running means of the gradient and of its square."),
  epsilon: z.number().positive().default(1e-8).describe("Added to the root of the second moment."),
  weightDecay: z.number().min(0).default(0).describe("Weight decay; 0 is none."),
  amsgrad: z
    .boolean()
    .default(false)
    .describe("Divide by the largest second moment so far instead of the present one."),
});
export type AdamOptions = z.output<typeof AdamOptions>;

/**
 * AdamW: Adam whose weight decay shrinks the weights directly. Equal to `torch.optim.AdamW`.
 * Source: Loshchilov, Hutter, arXiv:1711.05101, algorithm 2.
 */
export const adamW = defineVariant("adamw", AdamOptions, "optimizer", (options) =>
  adamFamily("adamw", options, true),
);

/** Adam whose weight decay, if any, is added to the gradient (L2). Equal to `torch.optim.Adam`. Source: arXiv:1412.6980. */
export const adam = defineVariant("adam", AdamOptions, "optimizer", (options) =>
  adamFamily("adam", options, false),
);

function adamFamily(name: string, options: AdamOptions, decoupled: boolean): Optimizer {
  return {
    key: `${name}${JSON.stringify(options)}`,
    stateNames: options.amsgrad ? ["mean", "variance", "largest"] : ["mean", "variance"],
    constants: (layout) => parameterConstants(layout, options),
    scalars: (update) => adamScalars(options, update),
    update: (inputs) => adamUpdate(options, decoupled, inputs),
  };
}

/** Bias corrections folded into three numbers, in double precision. */
export function adamScalars(
  { betas: [beta1, beta2], weightDecay }: AdamOptions,
  { learningRate, step }: { learningRate: number; step: number },
): { rate: number; correction: number; decay: number } {
  return {
    rate: learningRate / (1 - beta1 ** (step + 1)),
    correction: Math.sqrt(1 - beta2 ** (step + 1)),
    decay: learningRate * weightDecay,
  };
}

/** One step of Adam on flat buffers, elementwise. */
export function adamUpdate(options: AdamOptions, decoupled: boolean, inputs: OptimizerInputs) {
  const { betas, epsilon, weightDecay, amsgrad } = options;
  const { parameters, state, constants } = inputs;
  const scalar = (name: "rate" | "correction" | "decay") => inputs.scalars[name] as tf.Scalar;
  const { rates, decays } = constants;
  const scaled = (x: tf.Tensor, by: tf.Tensor | undefined) => (by === undefined ? x : tf.mul(x, by));

  const pull = weightDecay === 0 || decoupled ? undefined : scaled(tf.mul(parameters, weightDecay), decays);
  const gradients = pull === undefined ? inputs.gradients : tf.add(inputs.gradients, pull); // [N]
  const mean = average(state["mean"] as tf.Tensor1D, gradients, betas[0]);
  const variance = average(state["variance"] as tf.Tensor1D, tf.square(gradients), betas[1]);
  const largest = amsgrad ? tf.maximum(state["largest"] as tf.Tensor1D, variance) : undefined;

  const spread = tf.add(tf.div(tf.sqrt(largest ?? variance), scalar("correction")), epsilon);
  const move = scaled(tf.mul(tf.div(mean, spread), scalar("rate")), rates);
  const shrink = scaled(scaled(scalar("decay"), rates), decays); // [] or [N]
  const kept = weightDecay === 0 || !decoupled ? parameters : tf.mul(parameters, tf.sub(1, shrink));
  return {
    parameters: tf.sub(kept, move) as tf.Tensor1D,
    state: { mean, variance, ...(largest && { largest: largest as tf.Tensor1D }) },
  };
}

function average(old: tf.Tensor, now: tf.Tensor, decay: number): tf.Tensor1D {
  return tf.add(tf.mul(old, decay), tf.mul(now, 1 - decay));
}
