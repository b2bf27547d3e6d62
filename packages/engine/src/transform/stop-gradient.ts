import * as tf from "@tensorflow/tfjs-core";

interface TapeState {
  kernelDepth: number;
  activeTape: unknown;
}

/** The state of TensorFlow.js's tape. */
export function tapeState(): TapeState {
  return (tf.engine() as unknown as { state: TapeState }).state;
}

/** `x`, but treated as a constant by gradients: nothing behind it is differentiated. */
export function stopGradient<T extends tf.Tensor>(x: T): T {
  const state = tapeState();
  state.kernelDepth += 1; // the tape records only at depth 0
  try {
    return x.clone();
  } finally {
    state.kernelDepth -= 1;
  }
}
