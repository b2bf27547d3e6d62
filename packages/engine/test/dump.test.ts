import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { expect, test } from "vitest";
import { openEngine, updateSlice } from "../src/index.ts";

test("every program is written as text: name, signature, operations with their lines, results", async () => {
  const folder = mkdtempSync(join(tmpdir(), "vlmr1-dump-"));
  const engine = await openEngine({ threads: 1, dump: folder });
  const run = engine.compile(
    (x: tf.Tensor, cache: tf.Tensor) => ({
      y: tf.sum(tf.matMul(x, x, false, true), 1),
      cache: updateSlice(cache, tf.slice(x, [0, 0], [1, 3]), [1, 0]),
    }),
    { name: "attend / step" },
  );
  await run(engine.zeros([2, 3]), engine.zeros([4, 3]));
  await run(engine.zeros([5, 3]), engine.zeros([4, 3]));
  await engine.dispose();
  const files = readdirSync(folder).sort();
  const text = readFileSync(join(folder, files[0]!), "utf8");
  rmSync(folder, { recursive: true });
  expect(files).toEqual(["001-attend-step.txt", "002-attend-step.txt"]);
  const [name, signature, blank, ...lines] = text.split("\n");
  expect([name, signature, blank]).toEqual(["attend / step", "float32[2,3] float32[4,3]", ""]);
  const product = lines.find((line) => line.includes("MatMul"));
  expect(product).toMatch(
    /^%\d+ = MatMul\(%0, %0\) transposeB=true\s+float32\[2,2\]\s+.*test\/dump\.test\.ts:13:\d+/,
  );
  expect(lines.find((line) => line.includes("ReduceSum"))).toMatch(/axes=\[1\].*float32\[2\]/);
  expect(text).toMatch(
    /results\n {2}0 {2}%\d+ {2}float32\[2\]\n {2}1 {2}%\d+ {2}float32\[4,3\] {2}%1 with rows %\d+ at %\d+\n/,
  );
});
