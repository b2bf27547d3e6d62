import * as tf from "@tensorflow/tfjs";
import type { Engine, HostData } from "../../src/index.ts";
import type { ContractCase } from "./case.ts";

/** A result as data. */
export interface Outcome {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly data: ArrayLike<number>;
}

type Call = (...tensors: tf.Tensor[]) => tf.Tensor[];

/** The values of a case, as a list of tensors. */
export function values({ fn }: ContractCase): Call {
  return (...tensors) => {
    const result = fn(...(tensors as never[]));
    return Array.isArray(result) ? result : [result];
  };
}

/** The gradients of a weighted sum of the values by every float32 operand. */
export function gradients(item: ContractCase): Call {
  const call = values(item);
  const total = (...tensors: tf.Tensor[]): tf.Tensor => {
    const parts = call(...tensors)
      .filter(({ dtype }) => dtype === "float32")
      .map((x) => tf.sum(tf.mul(x, tf.reshape(tf.cos(tf.range(0, x.size)), x.shape))));
    return tf.addN(parts);
  };
  return (...tensors) => {
    const float = tensors.filter(({ dtype }) => dtype === "float32");
    const merge = (given: readonly tf.Tensor[]): tf.Tensor[] => {
      let next = 0;
      return tensors.map((x) => (x.dtype === "float32" ? given[next++]! : x));
    };
    return tf.grads((...given: tf.Tensor[]) => total(...merge(given)))(float);
  };
}

/** Evaluates with TensorFlow.js's cpu backend; also returns the kernels that ran. */
export async function eager(
  call: Call,
  item: ContractCase,
): Promise<{ outcomes: Outcome[]; kernels: string[] }> {
  await tf.setBackend("cpu");
  let outcomes: Outcome[] = [];
  const { kernelNames } = await tf.profile(() => {
    outcomes = tf.tidy(() => {
      const operands = item.operands.map(({ data, shape, dtype }) => tf.tensor(data, [...shape], dtype));
      return call(...operands).map((x) => ({ shape: x.shape, dtype: x.dtype, data: x.dataSync() }));
    }) as unknown as Outcome[];
    return tf.scalar(0);
  });
  return { outcomes, kernels: kernelNames };
}

/** Evaluates with an engine. */
export async function compiled(engine: Engine, call: Call, item: ContractCase): Promise<Outcome[]> {
  const run = engine.compile(call, { name: item.name });
  const operands = item.operands.map(({ data, shape }) => engine.tensor(data, shape));
  const results = await run(...operands);
  const outcomes = await Promise.all(
    results.map(async ({ shape, dtype, ...tensor }) => ({ shape, dtype, data: copy(await tensor.read()) })),
  );
  results.forEach((tensor) => tensor.dispose());
  operands.forEach((tensor) => tensor.dispose());
  await run.release();
  return outcomes;
}

function copy(data: HostData): number[] {
  return Array.from(data);
}

/** Largest |difference| / max(1, max |value|); Infinity when shapes, types or non-finite values differ. */
export function distance(got: Outcome, want: Outcome): number {
  if (
    String(got.shape) !== String(want.shape) ||
    got.dtype !== want.dtype ||
    got.data.length !== want.data.length
  )
    return Infinity;
  let largest = 1;
  let worst = 0;
  for (let index = 0; index < want.data.length; index++) {
    const a = got.data[index]!;
    const b = want.data[index]!;
    if (Object.is(a, b) || a === b) continue;
    if (!Number.isFinite(a) || !Number.isFinite(b)) return Infinity;
    largest = Math.max(largest, Math.abs(b));
    worst = Math.max(worst, Math.abs(a - b));
  }
  return worst / largest;
}
