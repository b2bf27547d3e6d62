import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";
import type { Optimizer } from "@vlmr1/policy";
import { defineVariant } from "../variant.ts";
import { parameterConstants, ParameterOptions } from "./parameters.ts";

/** Options of stochastic gradient descent; the defaults are PyTorch's. */
export const SgdOptions = ParameterOptions.extend({
  momentum: z
    .number()
    .min(0)
    .lt(1)
    .default(0)
    .describe("Decay of the running sum of gradients; 0 is plain descent."),
  nesterov: z.boolean().default(false).describe("Look ahead along the momentum."),
  weightDecay: z.number().min(0).default(0).describe("Weight decay, added to the gradient (L2); 0 is none."),
});
export type SgdOptions = z.output<typeof SgdOptions>;

/** Stochastic gradient descent with optional (Nesterov) momentum. Equal to `torch.optim.SGD` with dampening 0. */
export const sgd = defineVariant("sgd", SgdOptions, "optimizer", (options): Optimizer => {
  const { momentum, nesterov, weightDecay } = options;
  return {
    key: `sgd${JSON.stringify(options)}`,
    stateNames: momentum === 0 ? [] : ["momentum"],
    constants: (layout) => parameterConstants(layout, options),
    scalars: ({ learningRate }) => ({ rate: learningRate }),
    update: ({ gradients, parameters, state, scalars, constants: { rates, decays } }) => {
      const scaled = (x: tf.Tensor, by: tf.Tensor | undefined) => (by === undefined ? x : tf.mul(x, by));
      const pull = weightDecay === 0 ? undefined : scaled(tf.mul(parameters, weightDecay), decays);
      const direction = pull === undefined ? gradients : tf.add(gradients, pull); // [N]
      const velocity =
        momentum === 0 ? undefined : tf.add(tf.mul(state["momentum"] as tf.Tensor1D, momentum), direction);
      const ahead = velocity && (nesterov ? tf.add(direction, tf.mul(velocity, momentum)) : velocity);
      const move = scaled(tf.mul(ahead ?? direction, scalars["rate"] as tf.Scalar), rates);
      return {
        parameters: tf.sub(parameters, move) as tf.Tensor1D,
        state: velocity ? { momentum: velocity as tf.Tensor1D } : {},
      };
    },
  };
});
