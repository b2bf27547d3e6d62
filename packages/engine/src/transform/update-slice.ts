import * as tf from "@tensorflow/tfjs-core";
import { VlmR1Error } from "@vlmr1/core";
import { isGraphNode } from "../graph/node.ts";
import { activeRecording } from "../graph/recording.ts";

/**
 * `target` with `rows` written from `starts` on, like XLA's dynamic-update-slice: a start is clamped so that the rows fit.
 *
 * When the result of a compiled function is `updateSlice` of an argument, and that argument is donated or is also the
 * target of the result, only the rows leave the graph: a key-value cache is updated without being copied.
 *
 * @param starts one number per axis, or int32 `[rank]` to change from call to call
 */
export function updateSlice<T extends tf.Tensor>(
  target: T,
  rows: tf.Tensor,
  starts: readonly number[] | tf.Tensor,
): T {
  const fits = target.rank === rows.rank && rows.shape.every((extent, axis) => extent <= target.shape[axis]!);
  if (!fits || rows.dtype !== target.dtype) {
    throw new VlmR1Error(
      "invalid-argument",
      `Rows [${rows.shape.join(", ")}] (${rows.dtype}) do not fit into [${target.shape.join(", ")}] (${target.dtype}).`,
    );
  }
  const at = starts instanceof tf.Tensor ? starts : tf.tensor1d([...starts], "int32");
  let wide = rows;
  let inside: tf.Tensor | undefined;
  target.shape.forEach((extent, axis) => {
    const width = rows.shape[axis]!;
    if (width === extent) return;
    const start = tf.clipByValue(tf.slice(at, [axis], [1]), 0, extent - width);
    const position = tf.sub(tf.range(0, extent, 1, "int32"), start); // [extent], 0 at the first row
    const hit = tf.logicalAnd(
      tf.greaterEqual(position, tf.scalar(0, "int32")),
      tf.less(position, tf.scalar(width, "int32")),
    );
    const aligned = tf.reshape(
      hit,
      target.shape.map((_, k) => (k === axis ? extent : 1)),
    );
    inside = inside ? tf.logicalAnd(inside, aligned) : aligned;
    wide = tf.gather(wide, tf.clipByValue(position, 0, width - 1), axis);
  });
  if (!inside) return rows.clone() as T;
  const result = tf.where(inside, wide, target) as T;
  noteUpdate(result, target, rows, at);
  return result;
}

/** Tells the recording that `result` is an update of a slice, so that a device may write the rows only. */
function noteUpdate(result: tf.Tensor, target: tf.Tensor, rows: tf.Tensor, starts: tf.Tensor): void {
  const ids = [result, target, rows, starts].map(({ dataId }) => dataId);
  if (!ids.every((id) => isGraphNode(id))) return;
  const [update, from, values, at] = ids;
  activeRecording()?.updates.set(update!, { target: from!, rows: values!, starts: at! });
}
