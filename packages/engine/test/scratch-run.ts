import * as tf from "@tensorflow/tfjs";
import { openEngine } from "../src/index.ts";

// A process of its own: what a test runner holds would hide what one program holds. Prints the sum and the bytes held after a run.

const engine = await openEngine({ threads: 1 });
const chain = (x: tf.Tensor): tf.Tensor => tf.sum(tf.softmax(tf.matMul(x, x, false, true)));
const run = engine.compile(chain, { keepScratch: process.argv[2] === "keep" });
const large = engine.tensor(
  Float32Array.from({ length: 4096 * 4 }, (_, i) => Math.sin(i)),
  [4096, 4],
);
await run(engine.zeros([4, 4])); // what a first run loads does not count
await run.prepare(large);
const before = process.memoryUsage.rss();
const [sum] = await (await run(large)).read(); // by way of a [4096, 4096]
process.stdout.write(`${JSON.stringify({ sum, held: process.memoryUsage.rss() - before })}\n`);
