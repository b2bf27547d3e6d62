import * as tf from "@tensorflow/tfjs";
import { describe, expect, test } from "vitest";
import { bnpoLoss } from "../src/loss/bnpo.ts";
import { cispoLoss } from "../src/loss/cispo.ts";
import { dapoLoss } from "../src/loss/dapo.ts";
import { drGrpoLoss } from "../src/loss/dr-grpo.ts";
import { grpoLoss } from "../src/loss/grpo.ts";
import { gspoLoss } from "../src/loss/gspo.ts";
import { luspoLoss } from "../src/loss/luspo.ts";
import { sapoLoss } from "../src/loss/sapo.ts";
import { supervisedLoss } from "../src/loss/supervised.ts";
import { vespoLoss } from "../src/loss/vespo.ts";
import type { PolicyLoss } from "@vlmr1/policy";
import { distance, fixture } from "./fixture.ts";
import { lossAndGradient } from "./loss-and-gradient.ts";

interface TrlConfig {
  loss_type: string;
  importance_sampling_level: "token" | "sequence";
  epsilon_low: number;
  epsilon_high: number;
  delta: number | null;
  beta: number;
  use_bias_correction_kl: boolean;
  sapo_temperature_pos: number;
  sapo_temperature_neg: number;
  top_entropy_quantile: number;
  max_completion_length: number;
  gradient_accumulation_steps: number;
  num_items_in_batch: number | null;
  entropy_coef: number;
  off_policy_mask_threshold?: number | null;
}
interface Case {
  name: string;
  config: TrlConfig;
  advantages: number[];
  mask: number[][];
  on_policy: boolean;
  uses_is_ratio: boolean;
  expected: { loss: number; gradient: number[][]; metrics: Record<string, number | null> };
}
interface Losses {
  logps: number[][];
  old_logps: number[][];
  ref_logps: number[][];
  entropies: number[][];
  importance_sampling_ratio: number[][];
  cases: Case[];
}
interface HeadCase {
  name: string;
  config: TrlConfig;
  temperature: number;
  use_bias: boolean;
  expected: Record<"logps" | "old_logps" | "ref_logps" | "entropies", number[][]> & {
    loss: number;
    gradient_hidden: number[][][];
    gradient_weight: number[][];
  };
}

function fromTrl(config: TrlConfig, correctSampler: boolean): PolicyLoss {
  const shared = {
    beta: config.beta,
    biasCorrectedKl: config.use_bias_correction_kl,
    entropyCoefficient: config.entropy_coef,
    // The original compares a float64 entropy with a float32 threshold: at a tie (0.5) its rounding decides, and drops the token.
    topEntropy: config.top_entropy_quantile === 0.5 ? 0.499 : config.top_entropy_quantile,
    ...(config.off_policy_mask_threshold != null && { offPolicyThreshold: config.off_policy_mask_threshold }),
    ...(correctSampler && { samplerCorrection: { max: 1e6 } }),
  };
  const ratioLevel = config.importance_sampling_level;
  const clip = { clipLow: config.epsilon_low, clipHigh: config.epsilon_high };
  const clipped = { ...shared, ...clip, ratioLevel, ...(config.delta !== null && { delta: config.delta }) };
  if (config.loss_type === "grpo" && ratioLevel === "sequence") return gspoLoss({ ...shared, ...clip });
  if (config.loss_type === "grpo") return grpoLoss(clipped);
  if (config.loss_type === "bnpo") return bnpoLoss(clipped);
  if (config.loss_type === "dr_grpo") return drGrpoLoss(clipped);
  if (config.loss_type === "dapo") return dapoLoss(clipped);
  if (config.loss_type === "luspo") return luspoLoss(clipped);
  if (config.loss_type === "cispo")
    return cispoLoss({ ...shared, ratioLevel, maxRatio: config.epsilon_high });
  if (config.loss_type === "vespo") return vespoLoss(shared);
  return sapoLoss({
    ...shared,
    ratioLevel,
    temperaturePositive: config.sapo_temperature_pos,
    temperatureNegative: config.sapo_temperature_neg,
  });
}

function totals(config: TrlConfig, mask: number[][]) {
  const accumulation = config.gradient_accumulation_steps;
  return {
    totalCompletions: mask.length * accumulation,
    totalTokens: config.num_items_in_batch ?? mask.flat().reduce((sum, value) => sum + value, 0),
    maxNewTokens: config.max_completion_length,
    microBatches: accumulation,
  };
}

const data = fixture<Losses>("losses.json.gz");

describe("loss, gradient and metrics equal those of TRL", () => {
  test.each(data.cases)("$name", (example) => {
    const { config, mask, advantages, expected } = example;
    const samplerLogProbs = data.old_logps.map((row, b) => {
      const logRatios = (data.importance_sampling_ratio[b] as number[]).map(Math.log);
      // The original's VESPO adds up ratios of padding too. Ours, of a real batch, ignores padding: move its share to token 0.
      const padding = logRatios.reduce((sum, value, t) => sum + (mask[b]?.[t] ? 0 : value), 0);
      return row.map(
        (v, t) => v - (logRatios[t] as number) - (t === 0 && config.loss_type === "vespo" ? padding : 0),
      );
    });
    const result = lossAndGradient(fromTrl(config, example.uses_is_ratio), {
      logProbs: data.logps,
      ...(!example.on_policy && { oldLogProbs: data.old_logps }),
      ...(config.beta > 0 && { referenceLogProbs: data.ref_logps }),
      ...(example.uses_is_ratio && { samplerLogProbs }),
      entropies: data.entropies,
      advantages,
      mask,
      ...totals(config, mask),
    });
    expect(distance(result.loss, expected.loss)).toBeLessThan(1e-5);
    expect(distance(result.gradient, expected.gradient)).toBeLessThan(1e-5);
    const names: Record<string, string> = {
      kl: "kl",
      entropy: "entropy",
      "clip_ratio/low_mean": "clipLow",
      "clip_ratio/high_mean": "clipHigh",
      "clip_ratio/region_mean": "clipFraction",
      cispo_clip_ratio: "clipFraction",
    };
    const shared = Object.keys(names).filter((name) => typeof expected.metrics[name] === "number");
    const ours = shared.map((name) => result.metrics[names[name] as string]);
    expect(
      distance(
        ours,
        shared.map((name) => expected.metrics[name]),
      ),
    ).toBeLessThan(1e-5);
  });
});

describe("from hidden states to loss equals Liger's reference", () => {
  const head = fixture<{
    hidden: number[][][];
    weight: number[][];
    bias: number[];
    token_ids: number[][];
    mask: number[][];
    advantages: number[];
    cases: HeadCase[];
  }>("lm_head_losses.json.gz");
  test.each(head.cases)("$name", ({ config, temperature, use_bias, expected }) => {
    const loss = fromTrl(config, false);
    const [B, T] = [head.mask.length, head.mask[0]?.length as number];
    const V = head.weight.length;
    const targets = tf.oneHot(tf.tensor2d(head.token_ids, [B, T], "int32"), V);
    const run = tf.valueAndGrads((hidden, weight) => {
      const flat = tf.matMul(tf.reshape(hidden, [B * T, -1]), weight as tf.Tensor2D, false, true); // [B T, V]
      const logits = tf.div(use_bias ? tf.add(flat, tf.tensor1d(head.bias)) : flat, temperature);
      const all = tf.reshape(tf.logSoftmax(logits), [B, T, V]);
      const logProbs = tf.sum(tf.mul(all, targets), 2) as tf.Tensor2D; // [B, T]
      const scalars = totals(config, head.mask);
      return loss.compute({
        logProbs,
        entropies: tf.neg(tf.sum(tf.mul(tf.exp(all), all), 2)) as tf.Tensor2D,
        oldLogProbs: tf.tensor2d(expected.old_logps),
        ...(config.beta > 0 && { referenceLogProbs: tf.tensor2d(expected.ref_logps) }),
        advantages: tf.tensor1d(head.advantages),
        mask: tf.tensor2d(head.mask),
        totalCompletions: tf.scalar(scalars.totalCompletions),
        totalTokens: tf.scalar(scalars.totalTokens),
        maxNewTokens: tf.scalar(scalars.maxNewTokens),
        microBatches: tf.scalar(scalars.microBatches),
      }).loss;
    });
    const { value, grads } = run([tf.tensor3d(head.hidden), tf.tensor2d(head.weight)]);
    expect(distance(value.arraySync(), expected.loss)).toBeLessThan(1e-5);
    expect(distance(grads[0]?.arraySync(), expected.gradient_hidden)).toBeLessThan(1e-5);
    expect(distance(grads[1]?.arraySync(), expected.gradient_weight)).toBeLessThan(1e-5);
  });
});

describe("what each option changes", () => {
  const inputs = {
    logProbs: data.logps,
    oldLogProbs: data.old_logps,
    referenceLogProbs: data.ref_logps,
    samplerLogProbs: data.old_logps.map((row, b) => row.map((value, t) => value - 0.3 * Math.sin(b + 2 * t))),
    entropies: data.entropies,
    advantages: (data.cases[0] as Case).advantages,
    mask: (data.cases[0] as Case).mask,
    totalCompletions: 8,
    totalTokens: 33,
    maxNewTokens: 8,
    microBatches: 1,
  };
  const loss = (options: Parameters<typeof grpoLoss>[0]) => lossAndGradient(grpoLoss(options), inputs);
  const plain = loss({ beta: 0.1 });

  test.each([
    ["beta", { beta: 0.2 }],
    ["kl k1", { beta: 0.1, kl: "k1" }],
    ["kl k2", { beta: 0.1, kl: "k2" }],
    ["biasCorrectedKl", { beta: 0.1, biasCorrectedKl: true }],
    ["entropyCoefficient", { beta: 0.1, entropyCoefficient: 0.1 }],
    ["topEntropy", { beta: 0.1, topEntropy: 0.3 }],
    ["offPolicyThreshold", { beta: 0.1, offPolicyThreshold: -0.05 }],
    ["samplerCorrection", { beta: 0.1, samplerCorrection: { mode: "none" } }],
    ["clipLow", { beta: 0.1, clipLow: 0.05 }],
    ["clipHigh", { beta: 0.1, clipHigh: 0.05 }],
    ["delta", { beta: 0.1, delta: 1.1 }],
    ["ratioLevel", { beta: 0.1, ratioLevel: "sequence" }],
  ] as const)("%s moves the loss", (_, options) => {
    const changed = loss(options);
    expect(Math.abs(changed.loss - plain.loss) + distance(changed.gradient, plain.gradient)).toBeGreaterThan(
      1e-3,
    );
  });

  test.each([
    ["gspo clipLow", gspoLoss({ clipLow: 0.9 }), gspoLoss()],
    ["gspo clipHigh", gspoLoss({ clipHigh: 0.9 }), gspoLoss()],
    ["cispo maxRatio", cispoLoss({ maxRatio: 1 }), cispoLoss()],
    ["cispo ratioLevel", cispoLoss({ ratioLevel: "sequence" }), cispoLoss()],
    ["sapo temperaturePositive", sapoLoss({ temperaturePositive: 2 }), sapoLoss()],
    ["sapo temperatureNegative", sapoLoss({ temperatureNegative: 2 }), sapoLoss()],
    ["sapo ratioLevel", sapoLoss({ ratioLevel: "sequence" }), sapoLoss()],
    ["vespo kPositive", vespoLoss({ kPositive: 1 }), vespoLoss()],
    ["vespo lambdaPositive", vespoLoss({ lambdaPositive: 1 }), vespoLoss()],
    ["vespo kNegative", vespoLoss({ kNegative: 1 }), vespoLoss()],
    ["vespo lambdaNegative", vespoLoss({ lambdaNegative: 1 }), vespoLoss()],
  ])("%s moves the gradient", (_, changed, usual) => {
    const gradients = [changed, usual].map((value) => lossAndGradient(value, inputs).gradient);
    expect(distance(gradients[0], gradients[1])).toBeGreaterThan(1e-4);
  });

  test("the sampler's weights are truncated or masked, per token or per completion", () => {
    const ratio = (samplerCorrection: object) =>
      loss({ samplerCorrection }).metrics["samplerRatio"] as number;
    const all = ratio({ max: 100 });
    expect(ratio({ max: 1 })).toBeLessThan(all);
    expect(ratio({ max: 1, mode: "mask" })).toBeLessThan(ratio({ max: 1 }));
    expect(ratio({ max: 100, min: 1 })).toBeGreaterThan(all);
    expect(ratio({ max: 100, level: "sequence" })).not.toBeCloseTo(all, 3);
  });

  test("without reportEntropy the policy is not asked for entropies", () => {
    expect(grpoLoss({}).needs.entropies).toBe(true);
    expect(grpoLoss({ reportEntropy: false }).needs.entropies).toBe(false);
    expect(grpoLoss({ reportEntropy: false, topEntropy: 0.5 }).needs.entropies).toBe(true);
    expect(grpoLoss({ reportEntropy: false, entropyCoefficient: 0.5 }).needs.entropies).toBe(true);
  });

  test("the reference is needed exactly when beta is positive, and KL is still measured when it is there", () => {
    expect(grpoLoss({}).needs.reference).toBe(true);
    expect(grpoLoss({ beta: 0 }).needs.reference).toBe(false);
    expect(loss({ beta: 0 }).metrics["kl"]).toBeCloseTo(plain.metrics["kl"] as number, 6);
  });

  test("different options have different keys, equal ones the same", () => {
    expect(grpoLoss({ beta: 0 }).key).toBe(grpoLoss({ beta: 0, clipLow: 0.2 }).key);
    expect(grpoLoss({ beta: 0 }).key).not.toBe(grpoLoss({ beta: 0.04 }).key);
    expect(grpoLoss().key).not.toBe(dapoLoss().key);
  });

  test("the entropy bonus carries its gradient to the policy", () => {
    const bonus = grpoLoss({ beta: 0, entropyCoefficient: 0.5 });
    const gradient = tf.grad((x) => {
      const zero = tf.zerosLike(x) as tf.Tensor2D;
      const one = tf.onesLike(x) as tf.Tensor2D;
      const [mask, count] = [one, tf.scalar(4)];
      const scalars = {
        totalCompletions: count,
        totalTokens: count,
        maxNewTokens: count,
        microBatches: tf.scalar(1),
      };
      const advantages = tf.zeros([2]) as tf.Tensor1D;
      const entropies = x as tf.Tensor2D;
      return bonus.compute({ logProbs: zero, oldLogProbs: zero, entropies, advantages, mask, ...scalars })
        .loss;
    })(tf.ones([2, 2]));
    expect(
      distance(gradient.arraySync(), [
        [-0.125, -0.125],
        [-0.125, -0.125],
      ]),
    ).toBeLessThan(1e-6);
  });
});

describe("properties of every variant", () => {
  const variants = {
    grpoLoss,
    bnpoLoss,
    drGrpoLoss,
    dapoLoss,
    gspoLoss,
    luspoLoss,
    cispoLoss,
    sapoLoss,
    vespoLoss,
  };
  const base = {
    logProbs: data.logps,
    oldLogProbs: data.old_logps,
    referenceLogProbs: data.ref_logps,
    entropies: data.entropies,
    advantages: (data.cases[0] as Case).advantages,
    mask: (data.cases[0] as Case).mask,
    totalCompletions: 8,
    totalTokens: 33,
    maxNewTokens: 8,
    microBatches: 1,
  };

  test.each(Object.entries(variants))(
    "%s: masked positions change nothing and get no gradient",
    (_, variant) => {
      const make = (fill: number) =>
        lossAndGradient(variant({ beta: 0.04 }), {
          ...base,
          logProbs: base.logProbs.map((row, b) => row.map((value, t) => (base.mask[b]?.[t] ? value : fill))),
        });
      const [usual, absurd] = [make(-1), make(-1e6)];
      expect(absurd.loss).toBe(usual.loss);
      expect(absurd.gradient).toEqual(usual.gradient);
      usual.gradient.forEach((row, b) =>
        row.forEach((value, t) => expect(base.mask[b]?.[t] ? 0 : value).toBeCloseTo(0, 12)),
      );
    },
  );

  test.each(Object.entries(variants))("%s: two micro-batches add up to one", (name, variant) => {
    const loss = variant({ beta: 0.04, entropyCoefficient: 0.01 });
    const part = (from: number, to: number, microBatches: number) => {
      const cut = <T>(rows: readonly T[]) => rows.slice(from, to);
      return lossAndGradient(loss, {
        ...base,
        logProbs: cut(base.logProbs),
        oldLogProbs: cut(base.oldLogProbs),
        referenceLogProbs: cut(base.referenceLogProbs),
        entropies: cut(base.entropies),
        advantages: cut(base.advantages),
        mask: cut(base.mask),
        microBatches,
      });
    };
    const whole = part(0, 8, 1);
    const halves = [part(0, 4, 2), part(4, 8, 2)];
    const sum = (halves[0]?.loss as number) + (halves[1]?.loss as number);
    // BNPO normalises each micro-batch by its own tokens: a published property that the others do not share.
    const [least, most] = name === "bnpoLoss" ? [1e-4, 1] : [0, 1e-6];
    expect(distance(sum, whole.loss)).toBeGreaterThanOrEqual(least);
    expect(distance(sum, whole.loss)).toBeLessThan(most);
  });

  test.each(Object.entries(variants))("%s: absurd log-probabilities stay finite", (_, variant) => {
    const extreme = base.logProbs.map((row, b) => row.map((_value, t) => ((b + t) % 2 ? -1e4 : -1e-4)));
    const { loss, gradient } = lossAndGradient(variant({ beta: 0.04 }), { ...base, logProbs: extreme });
    expect(Number.isFinite(loss)).toBe(true);
    expect(gradient.flat().every(Number.isFinite)).toBe(true);
  });

  test.each(Object.entries(variants))("%s: an advantage of zero and no KL teach nothing", (_, variant) => {
    const { gradient } = lossAndGradient(variant({ beta: 0 }), {
      ...base,
      advantages: base.advantages.map(() => 0),
    });
    expect(Math.max(...gradient.flat().map(Math.abs))).toBe(0);
  });
});

test("supervised loss is the mean negative log-likelihood of the counting tokens", () => {
  const { loss, gradient, metrics } = lossAndGradient(supervisedLoss(), {
    logProbs: [
      [-1, -2],
      [-3, -50],
    ],
    advantages: [1, 1],
    mask: [
      [1, 1],
      [1, 0],
    ],
    totalCompletions: 2,
    totalTokens: 3,
    maxNewTokens: 2,
    microBatches: 1,
  });
  expect(loss).toBeCloseTo(2, 6);
  expect(
    distance(gradient, [
      [-1 / 3, -1 / 3],
      [-1 / 3, 0],
    ]),
  ).toBeLessThan(1e-6);
  expect(metrics["tokenProbability"]).toBeCloseTo((Math.exp(-1) + Math.exp(-2) + Math.exp(-3)) / 3, 6);
});
