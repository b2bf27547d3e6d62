import * as tf from "@tensorflow/tfjs";

/** Positions that a corner can have in a picture of 64 pixels. */
const positions = 65;

/** What the head is told of a batch of N tokens, as tensors. */
export interface VisionTargets {
  readonly present: tf.Tensor1D; // [N]
  readonly color: tf.Tensor1D; // int32 [N]
  readonly name: tf.Tensor1D; // int32 [N]
  readonly corners: tf.Tensor1D; // int32 [4 N]
}

/** Numbers that the head gives per token: presence, colour, name, four corners. */
export function headWidth(colors: number, names: number): number {
  return 1 + colors + names + 4 * positions;
}

/**
 * The loss of the auxiliary head: is there an object, of what colour, which one, and where are its corners. A corner's target is a
 * Gaussian of one pixel around the truth, so that a near miss costs less than a far one. Averages over the tokens that show an object.
 *
 * @param features what the merger gives, [N, D]; they are scaled to root mean square 1 first.
 */
export function visionLoss(
  features: tf.Tensor2D,
  weight: tf.Tensor2D, // [headWidth, D]
  bias: tf.Tensor1D, // [headWidth]
  targets: VisionTargets,
  sizes: { readonly colors: number; readonly names: number },
): { readonly loss: tf.Scalar; readonly rms: tf.Scalar } {
  const meanSquare = tf.mean(tf.square(features), -1, true); // [N, 1]
  const scaled = tf.mul(features, tf.rsqrt(tf.add(meanSquare, 1e-6))); // [N, D]
  const logits = tf.add(tf.matMul(scaled as tf.Tensor2D, weight, false, true), bias) as tf.Tensor2D; // [N, W]
  const tokens = features.shape[0];
  const part = (from: number, width: number): tf.Tensor2D => tf.slice2d(logits, [0, from], [tokens, width]);
  const { present } = targets;
  const seen = tf.maximum(tf.sum(present), 1);
  const meanOverSeen = (losses: tf.Tensor): tf.Tensor => tf.div(tf.sum(tf.mul(losses, present)), seen);

  const presence = tf.reshape(part(0, 1), [tokens]);
  const presenceLoss = tf.mean(tf.sub(tf.softplus(presence), tf.mul(presence, present)));
  const colorLoss = meanOverSeen(crossEntropy(part(1, sizes.colors), tf.oneHot(targets.color, sizes.colors)));
  const nameLoss = meanOverSeen(
    crossEntropy(part(1 + sizes.colors, sizes.names), tf.oneHot(targets.name, sizes.names)),
  );
  const corners = tf.reshape(part(1 + sizes.colors + sizes.names, 4 * positions), [tokens * 4, positions]); // [4 N, 65]
  const near = tf.gather(softPositions(), targets.corners); // [4 N, 65]
  const cornerLoss = meanOverSeen(
    tf.mean(tf.reshape(crossEntropy(corners as tf.Tensor2D, near), [tokens, 4]), -1),
  );
  return {
    loss: tf.addN([presenceLoss, colorLoss, nameLoss, cornerLoss]) as tf.Scalar,
    rms: tf.mean(tf.sqrt(meanSquare)),
  };
}

/** -sum(target log softmax(logits)) over the last axis. */
function crossEntropy(logits: tf.Tensor2D, target: tf.Tensor): tf.Tensor {
  return tf.neg(tf.sum(tf.mul(tf.logSoftmax(logits), tf.cast(target, "float32")), -1));
}

/** Row p: the distribution over positions that stands for p, softmax of -(p - q)^2 / 2. [65, 65] */
function softPositions(): tf.Tensor2D {
  const axis = tf.range(0, positions, 1);
  const distance = tf.sub(tf.expandDims(axis, 1), tf.expandDims(axis, 0));
  return tf.softmax(tf.div(tf.square(distance), -2)) as tf.Tensor2D;
}
