import * as tf from "@tensorflow/tfjs";
import { valueAndGrad, type Engine } from "../../src/index.ts";
import { randomExpression, randomLeaves } from "./random-graph.ts";

/** Operations in one expression. */
const operations = 14;

function close(got: ArrayLike<number>, want: ArrayLike<number>, tolerance: number): boolean {
  return Array.from(want).every(
    (value, k) => Math.abs(value - got[k]!) <= tolerance * Math.max(1, Math.abs(value)),
  );
}

/**
 * Compares `count` random expressions and the gradients of their sum with TensorFlow.js's cpu backend, `together` of them
 * in one compiled function. Returns the seeds of those that differ.
 */
export async function compareRandomGraphs(
  engine: Engine,
  count: number,
  together: number,
  firstSeed: number,
): Promise<string[]> {
  const wrong: string[] = [];
  for (let start = 0; start < count; start += together) {
    const seeds = Array.from({ length: Math.min(together, count - start) }, (_, k) => firstSeed + start + k);
    const leaves = randomLeaves(firstSeed + start);
    const total = (given: tf.Tensor[]): { value: tf.Tensor; aux: tf.Tensor } => {
      const parts = seeds.map((seed) => randomExpression(given, seed, operations));
      return { value: tf.addN(parts), aux: tf.stack(parts) };
    };
    await tf.setBackend("cpu");
    const expected = tf.tidy(() => {
      const { grads, aux } = valueAndGrad(total)(
        leaves.map(({ data, shape }) => tf.tensor(data, [...shape])),
      );
      return { values: aux.dataSync(), grads: grads.map((x) => x.dataSync()) };
    }) as unknown as { values: Float32Array; grads: Float32Array[] };
    const run = engine.compile(valueAndGrad(total), { name: `random graphs from seed ${seeds[0]}` });
    const { aux, grads } = await run(leaves.map(({ data, shape }) => engine.tensor(data, shape)));
    const values = await aux.read();
    seeds.forEach((seed, k) => {
      if (!close([values[k]!], [expected.values[k]!], 2e-5))
        wrong.push(`${seed}: ${values[k]} instead of ${expected.values[k]}`);
    });
    for (const [k, gradient] of grads.entries()) {
      if (!close(await gradient.read(), expected.grads[k]!, 2e-4))
        wrong.push(`gradient ${k} of seeds from ${seeds[0]}`);
    }
    await run.release();
  }
  return wrong;
}
