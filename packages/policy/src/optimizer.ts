import type * as tf from "@tensorflow/tfjs-core";

/** One named parameter inside the flat buffer that holds all that is trained. */
export interface ParameterSpan {
  readonly path: string;
  readonly shape: readonly number[];
  /** Index of its first number in the flat buffer. */
  readonly offset: number;
  readonly size: number;
}

/** Where each parameter lies in the flat buffer of N numbers. */
export interface ParameterLayout {
  readonly size: number;
  readonly spans: readonly ParameterSpan[];
}

/** Named flat buffers of the optimizer, each of N numbers (moments and the like). */
export type OptimizerState<T> = Readonly<Record<string, T>>;

/** What one update reads. All of it lives in one compiled graph that runs in place. */
export interface OptimizerInputs {
  /** Clipped gradient. [N] */
  readonly gradients: tf.Tensor1D;
  /** [N] */
  readonly parameters: tf.Tensor1D;
  /** Each [N] */
  readonly state: OptimizerState<tf.Tensor1D>;
  /** The numbers that `scalars` computed for this update, learning rate included. Each [] */
  readonly scalars: Readonly<Record<string, tf.Scalar>>;
  /** The buffers that `constants` declared. Each [N] */
  readonly constants: Readonly<Record<string, tf.Tensor1D>>;
}

/** A gradient transformation in two functions, over flat buffers (after optax). */
export interface Optimizer {
  /** Identifies the function and its options: policies compile once per key. */
  readonly key: string;
  /** Names of the state buffers; each starts as N zeros. */
  readonly stateNames: readonly string[];
  /** Per-element constants that depend on the layout (decay masks, learning-rate multipliers); absent ones cost nothing. */
  constants(layout: ParameterLayout): Readonly<Record<string, Float32Array>>;
  /**
   * Numbers of one update, computed on the host in double precision (bias corrections lose four digits in float32) and fed to the
   * graph as scalar inputs, so that they may change without a new graph. `step` counts the updates made before this one, from 0.
   */
  scalars(update: { readonly learningRate: number; readonly step: number }): Readonly<Record<string, number>>;
  /** New parameters and state, elementwise wherever possible so that the update can run in place. */
  update(
    inputs: OptimizerInputs,
    layout: ParameterLayout,
  ): {
    readonly parameters: tf.Tensor1D;
    readonly state: OptimizerState<tf.Tensor1D>;
  };
}
