import type * as tf from "@tensorflow/tfjs";
import { openEngine, valueAndGrad, type EngineOptions, type ProgramDescription } from "@vlmr1/engine";
import {
  adamW,
  adapterShapes,
  hiddenStates,
  smolLm2,
  tiedCrossEntropy,
  type Adapters,
  type DecoderShape,
  type DecoderWeights,
} from "./engine-decoder.ts";
import {
  fillRandom,
  peakMegabytes,
  randomIds,
  randomWeights,
  timeCalls,
  weightShapes,
} from "./engine-workload.ts";
import { createRng } from "@vlmr1/core";

/** What one run of the LoRA step measured. */
export interface LoraMeasurement {
  readonly stepMs: readonly number[];
  readonly peakMegabytes: number;
  readonly gradient: ProgramDescription;
  readonly optimizer: ProgramDescription;
  readonly losses: readonly number[];
}

/** How to run the LoRA step. */
export interface LoraRun {
  readonly engine: EngineOptions;
  readonly shape?: DecoderShape;
  readonly steps: number;
  readonly warmUp: number;
  readonly checkpoint?: boolean;
}

/** LoRA (rank 16 on all seven projections) of the SmolLM2-135M shape, 4 x 200 tokens: gradient, then AdamW in place. */
export async function measureLora({
  engine: options,
  shape = smolLm2,
  steps,
  warmUp,
  checkpoint = false,
}: LoraRun): Promise<LoraMeasurement> {
  const engine = await openEngine(options);
  const [batch, length, rank] = [4, 200, 16];
  const base = randomWeights(engine, weightShapes(shape, false), 0.02, 1);
  const shapes = Array.from({ length: shape.layers }, () => adapterShapes(shape, rank));
  const [params, grads, m, v] = [0, 1, 2, 3].map(() => engine.pack(shapes));
  params!.flat.write(fillRandom(new Float32Array(params!.flat.size), 0.01, createRng(2)));
  const loss = (
    adapters: readonly Adapters<tf.Tensor>[],
    weights: DecoderWeights<tf.Tensor>,
    ids: tf.Tensor,
    targets: tf.Tensor,
  ): tf.Tensor =>
    tiedCrossEntropy(hiddenStates(shape, weights, ids, { adapters, checkpoint }), weights.embedding, targets);
  const gradient = engine.compile(valueAndGrad(loss), { name: "gradient" });
  const update = engine.compile(adamW, { name: "adamW" });
  const ids = engine.tensor(randomIds(batch * length, shape.vocabulary, 3), [batch, length]);
  const targets = engine.tensor(randomIds(batch * length, shape.vocabulary, 4), [batch * length]);
  const value = engine.zeros([]);
  const state = { params: params!.flat, m: m!.flat, v: v!.flat };
  const losses: number[] = [];
  const stepMs = await timeCalls(
    async (index) => {
      await gradient.into({ value, grads: grads!.views }, params!.views, base.views, ids, targets);
      await update.into(state, state, grads!.flat, index + 1, 1e-3);
      losses.push((await value.read())[0]!);
    },
    steps,
    warmUp,
  );
  const [first, second] = engine.describe().programs;
  const peak = peakMegabytes();
  await engine.dispose();
  return { stepMs, peakMegabytes: peak, gradient: first!, optimizer: second!, losses };
}
