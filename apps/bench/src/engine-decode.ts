import type * as tf from "@tensorflow/tfjs";
import {
  openEngine,
  sampleFromUniforms,
  updateSlice,
  type DeviceTensor,
  type EngineOptions,
} from "@vlmr1/engine";
import { decodeStep, smolLm2, type DecoderShape, type DecoderWeights } from "./engine-decoder.ts";
import { randomWeights, storedWeights, timeCalls, treeBytes, weightShapes } from "./engine-workload.ts";
import { median } from "./row.ts";

/** One decode measurement. */
export interface DecodeMeasurement {
  readonly stepMs: number;
  /** Bytes of weights that a step must read. */
  readonly weightBytes: number;
}

interface Caches<T> {
  readonly keys: readonly T[];
  readonly values: readonly T[];
}

/** Median milliseconds of a decode step with baked weights, sampling in the graph and caches that grow in place. */
export async function measureDecode(
  options: EngineOptions,
  batch: number,
  shape: DecoderShape = smolLm2,
  precision: "float32" | "bfloat16" = "float32",
): Promise<DecodeMeasurement> {
  const engine = await openEngine(options);
  const [prompt, fresh] = [150, 16];
  const headDim = shape.hidden / shape.heads;
  const shapes = weightShapes(shape, false);
  const weights =
    precision === "float32"
      ? randomWeights(engine, shapes, 0.02, 1).views
      : storedWeights(engine, shapes, precision);
  const cacheShape = [batch, shape.keyValueHeads, prompt + fresh, headDim];
  const caches = (): DeviceTensor[] => Array.from({ length: shape.layers }, () => engine.zeros(cacheShape));
  const state: Caches<DeviceTensor> = { keys: caches(), values: caches() };
  const step = engine.compile(
    (
      w: DecoderWeights<tf.Tensor>,
      ids: tf.Tensor,
      slot: tf.Tensor,
      start: tf.Tensor,
      uniforms: tf.Tensor,
      past: Caches<tf.Tensor>,
    ) => {
      const { logits, keys, values } = decodeStep(shape, w, ids, slot, past.keys, past.values);
      return {
        ids: sampleFromUniforms(logits, uniforms) as tf.Tensor,
        caches: {
          keys: keys.map((rows, k) => updateSlice(past.keys[k]!, rows, start)),
          values: values.map((rows, k) => updateSlice(past.values[k]!, rows, start)),
        },
      };
    },
    { name: "decode", constant: [0] },
  );
  const ids = engine.tensor(new Int32Array(batch));
  const [slot, start] = [engine.tensor(new Int32Array(1)), engine.tensor(new Int32Array(4))];
  const uniforms = engine.tensor(new Float32Array(batch).fill(0.5));
  const times = await timeCalls(
    async (index) => {
      const position = prompt + (index % fresh);
      slot.write(Int32Array.of(position));
      start.write(Int32Array.of(0, 0, position, 0));
      await step.into({ ids, caches: state }, weights, ids, slot, start, uniforms, state);
    },
    24,
    4,
  );
  const weightBytes = treeBytes(weights);
  await engine.dispose();
  return { stepMs: median(times), weightBytes };
}

/** Bytes a second at which the processor reads memory once, summed over `threads` by a compiled sum of a large tensor. */
export async function measureReadBandwidth(threads: number): Promise<number> {
  const engine = await openEngine({ threads });
  const rows = 256;
  const x = engine.tensor(new Float32Array(2 ** 27).fill(1), [rows, 2 ** 27 / rows]);
  const { sum } = await import("@tensorflow/tfjs");
  const total = engine.compile((a: tf.Tensor) => sum(a, 1));
  const times = await timeCalls(() => total(x), 8, 2);
  await engine.dispose();
  return (2 ** 29 / Math.min(...times)) * 1000;
}
