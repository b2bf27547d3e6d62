import * as tf from "@tensorflow/tfjs";
import { parameter, type Scope } from "./scope.ts";

/** Where image features enter a sequence of n tokens. */
export interface FeatureSlots {
  /** int32 `[n]`: feature row of an image token, any valid row elsewhere. */
  readonly rows: tf.Tensor1D;
  /** `[n, 1]`: 1 at image tokens, 0 elsewhere. */
  readonly mask: tf.Tensor2D;
}

/**
 * Rows of the embedding table for int32 `ids` `[n]`: `[n, D]`. The row of `paddingId` gets no gradient, as in PyTorch's
 * `nn.Embedding(padding_idx)`, with which transformers trains.
 */
export function embed(scope: Scope, ids: tf.Tensor1D, paddingId?: number): tf.Tensor {
  const rows = tf.gather(parameter(scope, "weight"), ids);
  return paddingId === undefined ? rows : withoutGradientAt(ids, paddingId)(rows);
}

const withoutGradientAt = (ids: tf.Tensor1D, id: number) =>
  tf.customGrad((...inputs: unknown[]) => {
    const [rows] = inputs as [tf.Tensor];
    const learns = (dy: tf.Tensor) =>
      tf.mul(dy, tf.expandDims(tf.cast(tf.notEqual(ids, tf.scalar(id, "int32")), "float32"), 1));
    return { value: tf.clone(rows), gradFunc: (dy: tf.Tensor) => [learns(dy)] };
  }) as (rows: tf.Tensor) => tf.Tensor;

/** Spreads feature rows `[rows, D]` over the tokens: `[n, D]`, 0 at text tokens. */
export function spreadFeatures(features: tf.Tensor, slots: FeatureSlots): tf.Tensor {
  return tf.mul(tf.gather(features, slots.rows), slots.mask);
}

/** Puts image features in the place of the placeholder embeddings: `[n, D]`. */
export function placeFeatures(x: tf.Tensor, features: tf.Tensor, slots: FeatureSlots): tf.Tensor {
  return tf.add(tf.mul(x, tf.sub(1, slots.mask)), spreadFeatures(features, slots));
}
