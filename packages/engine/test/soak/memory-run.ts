import * as tf from "@tensorflow/tfjs";
import { openEngine, valueAndGrad } from "../../src/index.ts";
import { deviceUnderTest } from "../contract/devices.ts";

// A process of its own with --expose-gc: a test runner's own growth would hide ours. Takes the numbers of runs and of rounds of compiling
// and releasing, prints memory after / before.

const loss = (p: { w: tf.Tensor; v: tf.Tensor }, x: tf.Tensor): tf.Tensor =>
  tf.mean(tf.square(tf.matMul(tf.tanh(tf.matMul(x, p.w)), p.v)));

async function residentBytes(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 50)); // finalizers run between turns
  }
  return process.memoryUsage().rss;
}

async function growth(warmUp: number, count: number, body: () => Promise<void>): Promise<number> {
  for (let k = 0; k < warmUp; k++) await body();
  const before = await residentBytes();
  for (let k = 0; k < count; k++) await body();
  return (await residentBytes()) / before;
}

const engine = await openEngine({ ...deviceUnderTest, threads: 1 });
const [manyRuns, manyRounds] = process.argv.slice(2).map(Number) as [number, number];
const params = engine.pack({ w: [64, 128], v: [128, 64] });
const run = engine.compile(valueAndGrad(loss));
const x = engine.zeros([32, 64]);
const runs = await growth(0.3 * manyRuns, manyRuns, async () => {
  const { value, grads } = await run(params.views, x);
  [value, grads.w, grads.v].forEach((tensor) => tensor.dispose());
});
const rounds = await growth(0.3 * manyRounds, manyRounds, async () => {
  const packed = engine.pack({ w: [64, 128], v: [128, 64] });
  const again = engine.compile(valueAndGrad(loss));
  const { value, grads } = await again(packed.views, x);
  [value, grads.w, grads.v].forEach((tensor) => tensor.dispose());
  await again.release();
  [packed.flat, packed.views.w, packed.views.v].forEach((tensor) => tensor.dispose());
});
const { programs, memory } = engine.describe();
const [left, buffers] = [programs.length, memory?.buffers];
process.stdout.write(`${JSON.stringify({ runs, rounds, left, buffers })}\n`);
process.exit(0);
