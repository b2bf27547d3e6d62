import * as tf from "@tensorflow/tfjs";
import { VlmR1Error } from "@vlmr1/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkpoint, openEngine, updateSlice, valueAndGrad, type Engine } from "../src/index.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(async () => engine.dispose());

/** Runs a function on one tensor of four elements and returns the error. */
async function refusal(fn: (x: tf.Tensor) => unknown, name = "model"): Promise<VlmR1Error> {
  const run = engine.compile(fn, { name });
  const error: unknown = await run(engine.tensor(Float32Array.of(1, 2, 3, 4), [2, 2])).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!VlmR1Error.is(error)) throw new Error(`Not refused as it should be: ${String(error)}`);
  return error;
}

const here = /safety\.test\.ts:\d+/;

test("an op that cannot be recorded names itself and the line, before anything runs", async () => {
  const error = await refusal((x) => tf.spectral.rfft(x));
  expect(error.code).toBe("unsupported");
  expect(error.message).toMatch(/rfft|complex|FFT|Complex/i);
  expect(error.message).toMatch(here);
  const unique = await refusal((x) => tf.unique(tf.reshape(x, [4])).values);
  expect(unique.message).toMatch(/tf\.unique/);
  expect(unique.message).toMatch(here);
});

test("randomness of TensorFlow.js is refused with the line", async () => {
  for (const draw of [
    () => tf.randomNormal([2, 2]),
    () => tf.randomUniform([2, 2]),
    () => tf.truncatedNormal([2, 2]),
    () => tf.randomGamma([2, 2], 1),
  ]) {
    const error = await refusal((x) => tf.add(x, draw()));
    expect(error.message).toMatch(/tf\.(random|truncated)\w+ inside a recorded function/);
    expect(error.message).toMatch(here);
  }
  expect((await refusal((x) => tf.dropout(x, 0.5))).message).toMatch(/tf\.(dropout|randomUniform)/);
  expect((await refusal((x) => tf.multinomial(x as tf.Tensor2D, 2))).message).toMatch(/tf\.multinomial/);
});

test("reading a tensor is refused with the line", async () => {
  for (const read of [
    (x: tf.Tensor) => x.dataSync(),
    (x: tf.Tensor) => x.arraySync(),
    (x: tf.Tensor) => tf.sum(x).bufferSync(),
  ]) {
    const error = await refusal((x) => (read(x), x));
    expect(error.message).toMatch(/asked for the elements/);
    expect(error.message).toMatch(here);
  }
});

test("values that are known while recording can be read", async () => {
  const run = engine.compile((x: tf.Tensor) =>
    tf.mul(x, tf.ones([2]).dataSync()[1]! + tf.tensor1d([1, 2]).dataSync()[1]!),
  );
  expect(await (await run(engine.tensor(Float32Array.of(1, 2)))).read()).toEqual(Float32Array.of(3, 6));
});

test("variables are refused: those that exist, and new ones", async () => {
  const variable = tf.variable(tf.zeros([2, 2]), true, "weights");
  const used = await refusal((x) => tf.add(x, variable));
  expect(used.message).toMatch(/tf\.Variable "weights"/);
  expect(used.message).toMatch(here);
  const made = await refusal((x) => tf.variable(x));
  expect(made.message).toMatch(/tf\.variable ".*" is created inside/);
  expect(made.message).toMatch(here);
  const assigned = await refusal((x) => (variable.assign(x as tf.Tensor2D), x));
  expect(assigned.message).toMatch(/assign|Variable/);
  expect(variable.dataSync()).toEqual(new Float32Array(4));
  variable.dispose();
});

test("a large tensor captured by closure is refused; a small one is a constant", async () => {
  const large = tf.zeros([64, 64]);
  const error = await refusal((x) => tf.add(tf.sum(large), x));
  expect(error.message).toMatch(/shape \[64, 64\] is captured/);
  expect(error.message).toMatch(here);
  const small = tf.tensor1d([10, 20]);
  const run = engine.compile((x: tf.Tensor) => tf.add(x, small));
  expect(await (await run(engine.tensor(Float32Array.of(1, 2)))).read()).toEqual(Float32Array.of(11, 22));
  large.dispose();
  small.dispose();
});

test("asynchronous functions, strings and complex numbers are refused", async () => {
  expect((await refusal(async (x) => x)).message).toMatch(/asynchronous/);
  expect((await refusal((x) => tf.complex(x, x))).message).toMatch(/Complex|complex/);
  expect((await refusal(() => tf.tensor1d(["a"]))).message).toMatch(/string/);
});

test("arguments that are no tensors must be declared static", async () => {
  const run = engine.compile((x: tf.Tensor, mode: string) => (mode === "a" ? x : tf.neg(x)));
  await expect(run(engine.tensor(Float32Array.of(1)), "a")).rejects.toThrow(/is a string \(a\).*`static`/);
});

test("targets must fit the result", async () => {
  const run = engine.compile((x: tf.Tensor) => ({ y: tf.sum(x) }));
  const x = engine.tensor(Float32Array.of(1, 2));
  await expect(run.into({ y: engine.zeros([1]) }, x)).rejects.toThrow(
    /target\.y is float32\[1\], the result float32\[\]/,
  );
  const misnamed: object = { z: engine.zeros([]) };
  await expect(run.into(misnamed, x)).rejects.toThrow(/target\.z has no counterpart/);
});

test("a tensor kept from a recording cannot be used later", async () => {
  let kept: tf.Tensor | undefined;
  const run = engine.compile((x: tf.Tensor) => (kept = tf.neg(x)));
  await run(engine.tensor(Float32Array.of(1)));
  const leak = await refusal((x) => tf.add(x, kept!));
  expect(leak.message).toMatch(/another recording|after the recording/);
});

test("disposed tensors and wrong writes are refused", async () => {
  const x = engine.tensor(Float32Array.of(1, 2));
  expect(() => x.write(Float32Array.of(1, 2, 3))).toThrow(/3 elements at 0 into a tensor of 2/);
  expect(() => x.write(Int32Array.of(1))).toThrow(/int32 elements into a float32/);
  expect(() => x.reshape([3])).toThrow(/2 and 3 elements/);
  x.dispose();
  x.dispose();
  await expect(engine.compile((y: tf.Tensor) => y)(x)).rejects.toThrow(/disposed tensor of shape \[2\]/);
  expect(() => engine.tensor(Float32Array.of(1, 2), [3])).toThrow(/3 elements; the data has 2/);
});

test("a failure leaves TensorFlow.js as it was", async () => {
  await tf.setBackend("cpu");
  const before = tf.memory().numTensors;
  await refusal((x) => tf.add(x, tf.randomNormal([2, 2])));
  expect(tf.getBackend()).toBe("cpu");
  expect(tf.memory().numTensors).toBe(before);
  expect(tf.add(1, 2).dataSync()[0]).toBe(3);
});

test("an error while running names the op and the line that recorded it", async () => {
  const run = engine.compile((x: tf.Tensor, i: tf.Tensor) => tf.gather(tf.exp(x), i as tf.Tensor1D), {
    name: "lookup",
  });
  const call = run(engine.tensor(Float32Array.of(1, 2)), engine.tensor(Int32Array.of(0, 7)));
  await expect(call).rejects.toThrow(
    /lookup failed while running in GatherV2, recorded at .*safety\.test\.ts:\d+/,
  );
});

test("the tensorflow device says what to install when it is not there", async () => {
  const open = openEngine({ device: "tensorflow", library: "/nowhere" });
  await expect(open).rejects.toThrow(/libtensorflow, which is not there.*pip install tensorflow-cpu/);
  await expect(openEngine({ threads: 0 })).rejects.toThrow(/threads must be a positive integer; got 0/);
});

test("a checkpointed function must not capture what needs a gradient", async () => {
  const error = await refusal(
    (x) =>
      valueAndGrad((w: tf.Tensor) => tf.sum(checkpoint((h: tf.Tensor) => tf.mul(h, w))(tf.mul(x, 2))))(x)
        .value,
  );
  expect(error.message).toMatch(/checkpointed function captures a tensor of shape \[2, 2\]/);
  expect(error.message).toMatch(here);
});

test("gradients need a scalar that depends on the parameters", async () => {
  expect((await refusal((x) => valueAndGrad((w: tf.Tensor) => tf.mul(w, 2))(x).grads)).message).toMatch(
    /must return a scalar; it returned \[2, 2\]/,
  );
  expect((await refusal((x) => valueAndGrad(() => tf.scalar(1))(x).grads)).message).toMatch(
    /depends on none/,
  );
});

test("rows that do not fit a slice are refused", async () => {
  expect((await refusal((x) => updateSlice(x, tf.zeros([3, 2]), [0, 0]))).message).toMatch(/Rows \[3, 2\]/);
});
