import * as tf from "@tensorflow/tfjs-core";
import { createRng, type Completion, type Sample } from "@vlmr1/core";
import type { Optimizer } from "../optimizer.ts";
import type { PolicyLoss } from "../policy-loss.ts";
import type { ApplyReport, Policy, PolicyState, TrainingBatch, TrainingGroup } from "../policy.ts";

/*
 * What the rules of the exam have in common: a loss and an optimizer that every policy can run, batches of what the policy wrote itself,
 * and differences of snapshots.
 */

/** Not 1, so that a policy that forgets to divide by it is found out. */
export const TEMPERATURE = 0.8;

/** The clipped policy gradient without the clip, pulled towards the reference when there is one. Its metrics are sums of what it was given. */
export const examLoss: PolicyLoss = {
  key: "check-policy",
  needs: { entropies: true, reference: false },
  compute: (inputs) => {
    const { logProbs, oldLogProbs, referenceLogProbs, samplerLogProbs, entropies, advantages, mask } = inputs;
    const counted = (values: tf.Tensor): tf.Scalar => tf.sum(tf.mul(values, mask));
    const ratio = tf.exp(tf.mul(tf.sub(logProbs, oldLogProbs), mask)); // [B, T]
    const gain = counted(tf.mul(ratio, tf.expandDims(advantages, 1)));
    const pull = referenceLogProbs && counted(tf.square(tf.sub(logProbs, referenceLogProbs)));
    const loss = pull ? tf.sub(tf.mul(pull, 0.1), gain) : tf.neg(gain);
    return {
      loss: tf.div(loss, inputs.totalTokens),
      metrics: {
        mask: tf.sum(mask),
        advantages: counted(tf.expandDims(advantages, 1)),
        oldLogProbs: counted(oldLogProbs),
        ...(referenceLogProbs && { referenceLogProbs: counted(referenceLogProbs) }),
        ...(samplerLogProbs && { samplerLogProbs: counted(samplerLogProbs) }),
        ...(entropies && { entropies: counted(entropies) }),
        completions: tf.add(inputs.totalCompletions, 0),
        tokens: tf.add(inputs.totalTokens, 0),
        maxNewTokens: tf.add(inputs.maxNewTokens, 0),
        microBatches: tf.add(inputs.microBatches, 0),
      },
    };
  },
};

/** The same loss and a number that is none: its gradient is finite, it is not. */
export const brokenLoss: PolicyLoss = {
  ...examLoss,
  key: "check-policy not finite",
  compute: (inputs) => {
    const { loss, metrics } = examLoss.compute(inputs);
    return { loss: tf.add(loss, NaN), metrics };
  },
};

/** Descent with momentum: linear in the gradient, and with a state that matters. */
export const examOptimizer: Optimizer = {
  key: "check-policy",
  stateNames: ["velocity"],
  constants: () => ({}),
  scalars: ({ learningRate }) => ({ rate: learningRate }),
  update: ({ gradients, parameters, state, scalars }) => {
    const velocity: tf.Tensor1D = tf.add(tf.mul(state["velocity"] as tf.Tensor1D, 0.5), gradients);
    const move = tf.mul(velocity, scalars["rate"] as tf.Scalar);
    return { parameters: tf.sub(parameters, move), state: { velocity } };
  },
};

/** One policy under examination. */
export interface Sitting {
  readonly policy: Policy;
  readonly samples: readonly Sample[];
  readonly maxNewTokens: number;
  readonly tolerance: number;
  /** Completions of different lengths that the policy wrote, two groups of three. */
  readonly groups: readonly TrainingGroup[];
  /** Where every rule begins: one update is behind it, so that the optimizer has a state. */
  readonly start: PolicyState;
}

/** Completions of the sitting's samples, three each. */
export function ask(
  { policy, samples, maxNewTokens }: Pick<Sitting, "policy" | "samples" | "maxNewTokens">,
  options: { readonly seed: number; readonly forTraining?: boolean },
): Promise<readonly (readonly Completion[])[]> {
  const { seed, ...others } = options;
  const rng = createRng(seed);
  return policy.complete(samples, { count: 3, rng, maxNewTokens, temperature: TEMPERATURE, ...others });
}

/** Groups to train on: completions with advantages, cut to different lengths where they have them. */
export function groupsOf(
  samples: readonly Sample[],
  completions: readonly (readonly Completion[])[],
  cut = true,
): TrainingGroup[] {
  return samples.map((sample, p) => {
    const written = completions[p] ?? [];
    return {
      sample,
      completions: written.map(({ tokenIds }, i) => ({
        tokenIds: cut ? tokenIds.slice(0, 1 + ((p + 2 * i) % tokenIds.length)) : tokenIds,
      })),
      advantages: written.map((_, i) => i - 0.7),
    };
  });
}

/** A batch of these groups, with the totals of the whole update. */
export function batchOf(groups: readonly TrainingGroup[], whole = groups, microBatches = 1): TrainingBatch {
  const completions = whole.flatMap((group) => group.completions);
  const tokens = completions.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0);
  const totals = { completions: completions.length, tokens, maxNewTokens: 64 };
  return { groups, totals, temperature: TEMPERATURE, microBatches, rng: createRng(0) };
}

/** Applies what is accumulated; the norm is clipped so that one step is neither nothing nor too much. */
export function applyUpdate(
  policy: Policy,
  step = 1,
  combineGradient?: (gradient: Float32Array) => Promise<void>,
): Promise<ApplyReport> {
  return policy.apply(examOptimizer, {
    learningRate: 0.05,
    step,
    maxGradientNorm: 1,
    ...(combineGradient && { combineGradient }),
  });
}

/** From the start of the sitting: these micro-batches, one update. */
export async function updateFromStart(
  { policy, start }: Sitting,
  microBatches: readonly (readonly TrainingGroup[])[],
): Promise<{ readonly state: PolicyState; readonly loss: number; readonly gradientNorm: number }> {
  await policy.restore(start);
  let loss = 0;
  for (const groups of microBatches) {
    const batch = batchOf(groups, microBatches.flat(), microBatches.length);
    loss += (await policy.accumulate(batch, examLoss)).loss;
  }
  const { gradientNorm } = await applyUpdate(policy);
  return { state: await policy.snapshot(), loss, gradientNorm };
}

/** How far two states lie apart, as a share of the way from `start` to the first: 0 is the same update. NaN when nothing moved. */
export function updateDistance(first: PolicyState, second: PolicyState, start: PolicyState): number {
  let [apart, moved] = [0, 0];
  for (const name of new Set([...Object.keys(first), ...Object.keys(second)])) {
    const [a = [], b = [], from = []] = [first[name], second[name], start[name]] as ArrayLike<number>[];
    for (let i = 0; i < Math.max(a.length, b.length); i++) {
      apart = Math.max(apart, Math.abs((a[i] ?? 0) - (b[i] ?? 0)));
      moved = Math.max(moved, Math.abs((a[i] ?? 0) - (from[i] ?? 0)));
    }
  }
  return apart / moved;
}

/** The first array that differs by a bit, or `undefined`. */
export function differingArray(first: PolicyState, second: PolicyState): string | undefined {
  const names = new Set([...Object.keys(first), ...Object.keys(second)]);
  return [...names].find((name) => {
    const [a, b] = [first[name], second[name]];
    return !a || !b || a.length !== b.length || a.some((value, i) => !Object.is(value, b[i]));
  });
}

/** A copy that the policy cannot change. */
export function copyOf(state: PolicyState): PolicyState {
  return Object.fromEntries(Object.entries(state).map(([name, values]) => [name, values.slice()]));
}

type PerToken = readonly (readonly ArrayLike<number>[])[];

/** Largest difference of numbers per group, completion and token; Infinity when one of them is missing. */
export function tokenDistance(first: PerToken, second: PerToken): number {
  const [a, b] = [first.flat(), second.flat()];
  if (a.length !== b.length) return Infinity;
  return a.reduce((most, values, i) => {
    const others = b[i] as ArrayLike<number>;
    if (values.length !== others.length) return Infinity;
    const gaps = Array.from(values, (value, t) => Math.abs(value - (others[t] as number)));
    return Math.max(most, ...gaps.map((gap) => (Number.isNaN(gap) ? Infinity : gap)));
  }, 0);
}
