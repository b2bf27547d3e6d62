import type * as tf from "@tensorflow/tfjs";
import { openEngine, valueAndGrad, type EngineOptions } from "@vlmr1/engine";
import { adamW, crossEntropy, fourLayers, hiddenStates, type DecoderWeights } from "./engine-decoder.ts";
import { randomIds, randomWeights, timeCalls, weightShapes } from "./engine-workload.ts";
import { median } from "./row.ts";

/** Median milliseconds of the 4-layer training step (16 x 96 tokens, AdamW in place), after warm-up. */
export async function measureTrainStep(options: EngineOptions, steps: number): Promise<number> {
  const engine = await openEngine(options);
  const [batch, length] = [16, 96];
  const shapes = weightShapes(fourLayers, true);
  const weights = randomWeights(engine, shapes, 0.05, 1);
  const like = () => engine.pack(shapes);
  const [grads, m, v] = [like(), like(), like()];
  const loss = (w: DecoderWeights<tf.Tensor>, ids: tf.Tensor, targets: tf.Tensor): tf.Tensor =>
    crossEntropy(hiddenStates(fourLayers, w, ids), w.head!, targets);
  const gradient = engine.compile(valueAndGrad(loss), { name: "gradient" });
  const update = engine.compile(adamW, { name: "adamW" });
  const ids = engine.tensor(randomIds(batch * length, fourLayers.vocabulary, 2), [batch, length]);
  const targets = engine.tensor(randomIds(batch * length, fourLayers.vocabulary, 3));
  const value = engine.zeros([]);
  const state = { params: weights.flat, m: m.flat, v: v.flat };
  const times = await timeCalls(
    async (index) => {
      await gradient.into({ value, grads: grads.views }, weights.views, ids, targets);
      await update.into(state, state, grads.flat, index + 1, 1e-3);
    },
    steps,
    5,
  );
  await engine.dispose();
  return median(times);
}
