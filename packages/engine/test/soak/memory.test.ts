import * as tf from "@tensorflow/tfjs";
import { expect, test } from "vitest";
import { openEngine, valueAndGrad } from "../../src/index.ts";

function residentMegabytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().rss / 2 ** 20;
}

const loss = (p: { w: tf.Tensor; v: tf.Tensor }, x: tf.Tensor): tf.Tensor =>
  tf.mean(tf.square(tf.matMul(tf.tanh(tf.matMul(x, p.w)), p.v)));

test("memory stays flat within 2 % over 10,000 runs", async () => {
  const engine = await openEngine({ threads: 1 });
  const params = engine.pack({ w: [64, 128], v: [128, 64] });
  const run = engine.compile(valueAndGrad(loss));
  const x = engine.zeros([32, 64]);
  const step = async (): Promise<void> => {
    const { value, grads } = await run(params.views, x);
    [value, grads.w, grads.v].forEach((tensor) => tensor.dispose());
  };
  for (let k = 0; k < 2000; k++) await step();
  const before = residentMegabytes();
  for (let k = 0; k < 10_000; k++) await step();
  expect(residentMegabytes() / before).toBeLessThan(1.02);
  await engine.dispose();
});

test("memory stays flat within 2 % over 200 rounds of compiling and releasing", async () => {
  const engine = await openEngine({ threads: 1 });
  const round = async (rows: number): Promise<void> => {
    const params = engine.pack({ w: [64, 128], v: [128, 64] });
    const run = engine.compile(valueAndGrad(loss));
    await run(params.views, engine.zeros([rows, 64]));
    await run.release();
    params.flat.dispose();
    params.views.w.dispose();
    params.views.v.dispose();
  };
  for (let k = 0; k < 60; k++) await round(32);
  const before = residentMegabytes();
  for (let k = 0; k < 200; k++) await round(32);
  expect(residentMegabytes() / before).toBeLessThan(1.02);
  expect(engine.describe().programs).toEqual([]);
  await engine.dispose();
});
