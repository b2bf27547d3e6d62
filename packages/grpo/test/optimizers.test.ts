import * as tf from "@tensorflow/tfjs";
import { createRng } from "@vlmr1/core";
import { describe, expect, test } from "vitest";
import { clipFactor, type Optimizer, type ParameterLayout } from "@vlmr1/policy";
import { adam, adamW } from "../src/optimizer/adam.ts";
import { muon, orthogonalized } from "../src/optimizer/muon.ts";
import { sgd } from "../src/optimizer/sgd.ts";
import {
  cosineSchedule,
  constantSchedule,
  linearSchedule,
  type Schedule,
} from "../src/optimizer/schedule.ts";
import { distance, fixture } from "./fixture.ts";

interface Options {
  lr: number;
  weight_decay?: number;
  betas?: [number, number];
  eps?: number;
  amsgrad?: boolean;
  momentum?: number;
  nesterov?: boolean;
}
interface Run {
  optimizer: string;
  options: Options;
  schedule: string;
  max_grad_norm: number | null;
  steps: { step: number; lr: number; grad_norm: number; params: [number[][], number[]] }[];
}
const data = fixture<{
  initial_params: [number[][], number[]];
  gradients: [number[][], number[]][];
  runs: Run[];
}>("optimizers.json");

const layout: ParameterLayout = {
  size: 10,
  spans: [
    { path: "linear.weight", shape: [3, 2], offset: 0, size: 6 },
    { path: "linear.bias", shape: [4], offset: 6, size: 4 },
  ],
};
const flat = ([weight, bias]: [number[][], number[]]) => [...weight.flat(), ...bias];

/** Runs an optimizer eagerly over given gradients; returns the parameters after each step. */
function trajectory(
  optimizer: Optimizer,
  {
    initial,
    gradients,
    rate,
    maxNorm,
  }: {
    initial: number[];
    gradients: number[][];
    rate: (step: number) => number;
    maxNorm?: number;
  },
  where: ParameterLayout = layout,
) {
  let parameters = tf.tensor1d(initial);
  let state: Record<string, tf.Tensor1D> = Object.fromEntries(
    optimizer.stateNames.map((name) => [name, tf.zeros([initial.length]) as tf.Tensor1D]),
  );
  const named = <T, U>(record: Readonly<Record<string, T>>, map: (value: T) => U) =>
    Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value)]));
  return gradients.map((gradient, step) => {
    const norm = Math.hypot(...gradient);
    const clipped = tf.mul(tf.tensor1d(gradient), clipFactor(norm, maxNorm)) as tf.Tensor1D;
    const learningRate = rate(step);
    const next = optimizer.update(
      {
        gradients: clipped,
        parameters,
        state,
        scalars: named(optimizer.scalars({ learningRate, step }), (value) => tf.scalar(value)),
        constants: named(optimizer.constants(where), (value) => tf.tensor1d(value)),
      },
      where,
    );
    ({ parameters } = next);
    ({ state } = next as { state: Record<string, tf.Tensor1D> });
    return { learningRate, norm, parameters: parameters.arraySync() };
  });
}

function fromTorch({ optimizer, options }: Run): Optimizer {
  const weightDecay = options.weight_decay ?? 0;
  const { momentum = 0, nesterov = false, betas, eps, amsgrad = false } = options;
  if (optimizer === "sgd") return sgd({ momentum, nesterov, weightDecay });
  const shared = { weightDecay, amsgrad, ...(betas && { betas }), ...(eps && { epsilon: eps }) };
  return optimizer === "adamw" ? adamW(shared) : adam(shared);
}

const schedules: Record<string, Schedule> = {
  none: constantSchedule(),
  cosine_warmup_5_of_20: cosineSchedule({ warmup: 5, total: 20 }),
  linear_warmup_3_of_20: linearSchedule({ warmup: 3, total: 20 }),
  constant_with_warmup_4: constantSchedule(4),
};

describe("twenty steps equal PyTorch's", () => {
  test.each(data.runs.map((run, i) => [`${i} ${run.optimizer} ${run.schedule}`, run] as const))(
    "%s",
    (_, run) => {
      const schedule = schedules[run.schedule] as Schedule;
      const ours = trajectory(fromTorch(run), {
        initial: flat(data.initial_params),
        gradients: data.gradients.map(flat),
        rate: (step) => run.options.lr * schedule(step),
        ...(run.max_grad_norm !== null && { maxNorm: run.max_grad_norm }),
      });
      expect(run.steps).toHaveLength(20);
      run.steps.forEach((expected, step) => {
        const { learningRate, norm, parameters } = ours[step] as (typeof ours)[number];
        expect(distance(parameters, flat(expected.params))).toBeLessThan(5e-6);
        expect(learningRate).toBeCloseTo(expected.lr, 12);
        expect(distance(norm, expected.grad_norm)).toBeLessThan(1e-5);
      });
    },
  );
});

describe("per-parameter options", () => {
  const initial = Array.from({ length: 10 }, () => 1);
  const gradients = [Array.from({ length: 10 }, (_, i) => (i % 2 ? -1 : 1))];
  const one = (optimizer: Optimizer) =>
    trajectory(optimizer, { initial, gradients, rate: () => 0.1 })[0]?.parameters as number[];
  const all = { sgd, adam, adamW, muon };

  test.each(Object.entries(all))("%s: a rate multiplier of 0 freezes exactly its parameters", (_, make) => {
    const moved = one(make({ rates: { "*": 1, "*.bias": 0 }, weightDecay: 0.1 }));
    expect(moved.slice(6)).toEqual([1, 1, 1, 1]);
    expect(moved.slice(0, 6).every((value) => value !== 1)).toBe(true);
  });

  test.each(Object.entries(all))("%s: noDecay leaves what it names to the gradient alone", (_, make) => {
    const plain = one(make({ weightDecay: 0 }));
    const decayed = one(make({ weightDecay: 0.5 }));
    const masked = one(make({ weightDecay: 0.5, noDecay: ["*.bias"] }));
    expect(masked.slice(6)).toEqual(plain.slice(6));
    expect(masked.slice(0, 6)).toEqual(decayed.slice(0, 6));
    expect(masked.slice(0, 6)).not.toEqual(plain.slice(0, 6));
  });

  test("AdamW with a multiplier m equals AdamW with m times the rate", () => {
    const scaled = one(adamW({ rates: { "*weight": 3 }, weightDecay: 0.1 }));
    const faster = trajectory(adamW({ weightDecay: 0.1 }), { initial, gradients, rate: () => 0.3 })[0];
    expect(distance(scaled.slice(0, 6), faster?.parameters.slice(0, 6))).toBeLessThan(1e-6);
  });

  test("a pattern that matches nothing is refused", () => {
    expect(() => adamW({ rates: { "*.wieght": 2 } }).constants(layout)).toThrowErrorMatchingInlineSnapshot(
      `[VlmR1Error: The pattern "*.wieght" matches none of the 2 trained parameters (linear.weight, linear.bias).]`,
    );
  });

  test("every option has its own key", () => {
    const keys = [
      adamW(),
      adamW({ betas: [0.9, 0.98] }),
      adamW({ epsilon: 1e-6 }),
      adam(),
      sgd(),
      sgd({ momentum: 0.9 }),
    ];
    expect(new Set(keys.map(({ key }) => key)).size).toBe(keys.length);
  });

  test("options out of range are refused with their value", () => {
    expect(() => adamW({ betas: [1, 0.5], weightDecay: -1 })).toThrowErrorMatchingInlineSnapshot(`
      [VlmR1Error: The configuration of the optimizer adamw is not valid:
        betas.0 (1): Too big: expected number to be <1
        weightDecay (-1): Too small: expected number to be >=0]
    `);
  });
});

describe("Muon", () => {
  const random = (rows: number, columns: number) => {
    const rng = createRng(5);
    return tf.tensor2d(
      Array.from({ length: rows * columns }, () => rng.normal()),
      [rows, columns],
    );
  };

  test.each([
    [8, 8],
    [4, 12],
    [12, 4],
  ])("makes the singular values of a %i x %i matrix nearly one", (rows, columns) => {
    const x = orthogonalized(random(rows, columns), 10);
    const gram = rows <= columns ? tf.matMul(x, x, false, true) : tf.matMul(x, x, true, false);
    // Eigenvalues of the Gram matrix are squares of singular values, which settle between 0.7 and 1.2.
    const trace = tf.sum(tf.mul(gram, tf.eye(Math.min(rows, columns)))).arraySync() as number;
    expect(trace / Math.min(rows, columns)).toBeGreaterThan(0.5);
    expect(trace / Math.min(rows, columns)).toBeLessThan(1.5);
    const off = tf.sub(gram, tf.mul(gram, tf.eye(Math.min(rows, columns))));
    expect(tf.max(tf.abs(off)).arraySync()).toBeLessThan(0.5);
  });

  test("keeps the direction of an already orthogonal matrix", () => {
    const x = orthogonalized(
      tf.tensor2d([
        [0, 3],
        [-3, 0],
      ]),
      5,
    ).arraySync();
    expect(x[0]?.[0]).toBeCloseTo(0, 5);
    expect(x[0]?.[1]).toBeGreaterThan(0.6);
    expect(x[1]?.[0]).toBeLessThan(-0.6);
  });

  test("trains matrices by Muon and the rest, embeddings included, by AdamW at its own rate", () => {
    const where: ParameterLayout = {
      size: 14,
      spans: [
        { path: "embed.weight", shape: [2, 2], offset: 0, size: 4 },
        { path: "mlp.weight", shape: [2, 3], offset: 4, size: 6 },
        { path: "norm.weight", shape: [4], offset: 10, size: 4 },
      ],
    };
    const initial = Array.from({ length: 14 }, (_, i) => i / 10);
    const rng = createRng(2);
    const gradients = [0, 1, 2].map(() => initial.map(() => rng.normal()));
    const run = (optimizer: Optimizer, rate: number) =>
      trajectory(optimizer, { initial, gradients, rate: () => rate }, where).at(-1)?.parameters as number[];
    const mixed = run(muon({ adamRate: 0.1, weightDecay: 0.1 }), 0.02);
    const adamOnly = run(adamW({ weightDecay: 0.1 }), 0.002);
    expect(distance(mixed.slice(0, 4), adamOnly.slice(0, 4))).toBeLessThan(1e-6);
    expect(distance(mixed.slice(10), adamOnly.slice(10))).toBeLessThan(1e-6);
    expect(distance(mixed.slice(4, 10), adamOnly.slice(4, 10))).toBeGreaterThan(1e-2);
    expect(run(muon({ exclude: ["*"] }), 0.02)).toEqual(run(adamW(), 0.002));
    for (const change of [
      { momentum: 0.5 },
      { nesterov: false },
      { newtonSchulz: 1 },
      { matrixScale: "rms" as const },
    ]) {
      expect(distance(run(muon(change), 0.02).slice(4, 10), run(muon(), 0.02).slice(4, 10))).toBeGreaterThan(
        1e-4,
      );
    }
  });

  test("follows an update worked by hand for a 1-step, diagonal gradient", () => {
    // Diagonal stays diagonal: one iteration maps s to 3.4445 s - 4.775 s^3 + 2.0315 s^5 with s the normalised value.
    const where: ParameterLayout = { size: 4, spans: [{ path: "w", shape: [2, 2], offset: 0, size: 4 }] };
    const [updated] = trajectory(
      muon({ newtonSchulz: 1, nesterov: false }),
      { initial: [0, 0, 0, 0], gradients: [[3, 0, 0, 4]], rate: () => 1 },
      where,
    );
    const step = (s: number) => 3.4445 * s - 4.775 * s ** 3 + 2.0315 * s ** 5;
    expect(distance(updated?.parameters, [-step(0.6), 0, 0, -step(0.8)])).toBeLessThan(1e-5);
  });
});
