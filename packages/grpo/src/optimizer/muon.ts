import * as tf from "@tensorflow/tfjs-core";
import { matchesPattern } from "@vlmr1/core";
import { z } from "zod";
import { defineVariant } from "../variant.ts";
import type { Optimizer, ParameterLayout, ParameterSpan } from "@vlmr1/policy";
import { AdamOptions, adamScalars, adamUpdate } from "./adam.ts";
import { parameterConstants } from "./parameters.ts";

/** Options of Muon for matrices, and of AdamW for everything else. */
export const MuonOptions = AdamOptions.omit({ amsgrad: true }).extend({
  momentum: z
    .number()
    .min(0)
    .lt(1)
    .default(0.95)
    .describe("Decay of the running mean of each matrix's gradient."),
  nesterov: z.boolean().default(true).describe("Look ahead along the momentum."),
  newtonSchulz: z.int().min(1).default(5).describe("Newton-Schulz iterations that make a matrix orthogonal."),
  matrixScale: z
    .enum(["shape", "rms"])
    .default("shape")
    .describe(
      "Size of an update: sqrt(max(1, rows / columns)), or 0.2 sqrt(max(rows, columns)) to match AdamW's.",
    ),
  adamRate: z
    .number()
    .min(0)
    .default(0.1)
    .describe("Learning rate of everything that is not a matrix, as a fraction of the matrices'."),
  exclude: z
    .array(z.string())
    .default(["*embed*", "*lm_head*"])
    .describe("Name patterns of matrices that AdamW trains; embeddings and heads, by default."),
});
export type MuonOptions = z.output<typeof MuonOptions>;

/**
 * Muon: each matrix moves along its momentum with all singular values set to about 1; vectors, embeddings and head follow AdamW.
 * Weights are [out, in], as in PyTorch. Source: K. Jordan, https://kellerjordan.github.io/posts/muon/; rms scale: arXiv:2502.16982.
 */
export const muon = defineVariant("muon", MuonOptions, "optimizer", (options): Optimizer => {
  const adamOptions: AdamOptions = { ...options, amsgrad: false };
  return {
    key: `muon${JSON.stringify(options)}`,
    stateNames: ["momentum", "mean", "variance"],
    constants: (layout) => parameterConstants(layout, options),
    scalars: ({ learningRate, step }) => ({
      ...adamScalars(adamOptions, { learningRate: learningRate * options.adamRate, step }),
      matrixRate: learningRate,
      matrixDecay: learningRate * options.weightDecay,
    }),
    update: (inputs, layout) => {
      const { gradients, parameters, state, scalars, constants } = inputs;
      const adam = adamUpdate(adamOptions, true, inputs);
      const old = state["momentum"] as tf.Tensor1D;
      const momentum = mix(gradients, old, options.momentum); // [N]
      const direction = options.nesterov ? mix(gradients, momentum, options.momentum) : momentum;
      const moved = replaceMatrices(layout, options, adam.parameters, (span) => {
        const cut = (flat: tf.Tensor) => tf.slice(flat, span.offset, span.size);
        const update = orthogonalized(
          tf.reshape(cut(direction), span.shape as [number, number]),
          options.newtonSchulz,
        );
        const rate = tf.mul(scalars["matrixRate"] as tf.Scalar, updateScale(span, options));
        const weights = cut(parameters);
        const multiplier = constants["rates"] ? cut(constants["rates"]) : 1;
        const decay = constants["decays"] ? cut(constants["decays"]) : 1;
        const shrink = tf.mul(tf.mul(scalars["matrixDecay"] as tf.Scalar, multiplier), decay);
        const kept = options.weightDecay === 0 ? weights : tf.mul(weights, tf.sub(1, shrink));
        return tf.sub(kept, tf.mul(tf.mul(tf.reshape(update, [-1]), rate), multiplier));
      });
      return { parameters: moved, state: { momentum, ...adam.state } };
    },
  };
});

/** Whether Muon, not AdamW, trains this parameter. */
function isMatrix({ shape, path }: ParameterSpan, { exclude }: MuonOptions): boolean {
  const isProper = shape.length === 2 && shape.every((side) => side > 1);
  return isProper && !exclude.some((pattern) => matchesPattern(path, pattern));
}

/** A flat buffer with the matrices' stretches replaced. [N] */
function replaceMatrices(
  layout: ParameterLayout,
  options: MuonOptions,
  flat: tf.Tensor1D,
  matrix: (span: ParameterSpan) => tf.Tensor,
): tf.Tensor1D {
  const spans = layout.spans.filter((span) => isMatrix(span, options)).sort((a, b) => a.offset - b.offset);
  const pieces: tf.Tensor[] = [];
  let at = 0;
  for (const span of spans) {
    if (span.offset > at) pieces.push(tf.slice(flat, at, span.offset - at));
    pieces.push(matrix(span));
    at = span.offset + span.size;
  }
  if (at < layout.size) pieces.push(tf.slice(flat, at, layout.size - at));
  return tf.concat(pieces as tf.Tensor1D[]);
}

/** U V^T of a matrix G = U S V^T, approximately: singular values end between 0.7 and 1.2. [R, C] -> [R, C] */
export function orthogonalized(matrix: tf.Tensor2D, iterations: number): tf.Tensor2D {
  const [rows, columns] = matrix.shape;
  const isTall = rows > columns;
  const norm = tf.sqrt(tf.sum(tf.square(matrix)));
  let x: tf.Tensor2D = tf.div(isTall ? tf.transpose(matrix) : matrix, tf.add(norm, 1e-7));
  for (let i = 0; i < iterations; i++) {
    const gram = tf.matMul(x, x, false, true);
    const polynomial = tf.add(tf.mul(gram, -4.775), tf.mul(tf.matMul(gram, gram), 2.0315)) as tf.Tensor2D;
    x = tf.add(tf.mul(x, 3.4445), tf.matMul(polynomial, x));
  }
  return isTall ? tf.transpose(x) : x;
}

function updateScale({ shape }: ParameterSpan, { matrixScale }: MuonOptions): number {
  const [rows, columns] = shape as [number, number];
  return matrixScale === "rms"
    ? 0.2 * Math.sqrt(Math.max(rows, columns))
    : Math.sqrt(Math.max(1, rows / columns));
}

/** weight x b + (1 - weight) x a */
function mix(a: tf.Tensor, b: tf.Tensor, weight: number): tf.Tensor1D {
  return tf.add(tf.mul(b, weight), tf.mul(a, 1 - weight));
}
