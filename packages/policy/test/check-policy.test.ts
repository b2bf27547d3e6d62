import * as tf from "@tensorflow/tfjs";
import { createRng, VlmR1Error, type Sample } from "@vlmr1/core";
import { describe, expect, it } from "vitest";
import type { AccumulateReport, CompletionGroup, Policy, PolicyState, TrainingBatch } from "../src/index.ts";
import { checkPolicy, policyRules, tablePolicy, type PolicyRule } from "../src/testing.ts";

const samples: Sample[] = ["left", "right"].map((prompt, i) => ({
  id: String(i),
  prompt,
  images: [],
  target: undefined,
}));
/** A policy that prefers some words to others: with all as likely, temperature would make no difference. */
async function honest(): Promise<Policy> {
  const policy = tablePolicy({ prompts: 2, words: ["a", "b", "c", "."], maxLength: 4 });
  const state = await policy.snapshot();
  const rng = createRng(0);
  await policy.restore({
    ...state,
    parameters: (state["parameters"] as Float32Array).map(() => rng.normal()),
  });
  return policy;
}

/** Log-probabilities that another token of the batch, or a longer neighbour, has an influence on. */
const shifted = (rows: readonly (readonly Float32Array[])[], by: number): Float32Array[][] =>
  rows.map((group) => group.map((values) => values.map((value) => value + by)));
const tokens = (groups: readonly CompletionGroup[]): number =>
  groups.reduce(
    (sum, { completions }) => completions.reduce((n, { tokenIds }) => n + tokenIds.length, sum),
    0,
  );

/** Policies with one fault each: the rule that must name it, what it must say, and the fault. */
const faults: readonly [rule: PolicyRule, message: RegExp, fault: (policy: Policy) => Partial<Policy>][] = [
  [
    "complete keeps its contract",
    /groups of 2/,
    ({ complete }) => ({ complete: (asked, options) => complete(asked, { ...options, count: 2 }) }),
  ],
  [
    "complete keeps its contract",
    /log-probabilit/,
    ({ complete }) => ({
      complete: async (...args) =>
        (await complete(...args)).map((group) =>
          group.map((one) => ({ ...one, logProbs: one.logProbs.slice(1) })),
        ),
    }),
  ],
  [
    "complete keeps its contract",
    /same generator gave another text/,
    ({ complete }) => {
      let calls = 0;
      return {
        complete: (asked, options) =>
          complete(asked, { ...options, rng: options.rng.fork(`call-${calls++}`) }),
      };
    },
  ],
  [
    "cached = uncached",
    /sampling and logProbs differ by 0\.1/,
    ({ complete }) => ({
      complete: async (...args) =>
        (await complete(...args)).map((group) =>
          group.map((one) => ({ ...one, logProbs: one.logProbs.map((value) => value - 0.1) })),
        ),
    }),
  ],
  [
    "cached = uncached",
    /differ by .* nats/,
    ({ logProbs }) => ({ logProbs: (groups) => logProbs(groups, { temperature: 1 }) }), // forgets the temperature
  ],
  [
    "padding changes nothing",
    /batch and of its completions alone differ/,
    ({ logProbs, accumulate }) => ({
      logProbs: async (groups, options) =>
        shifted(await logProbs(groups, options), groups.length > 1 ? 0 : 0.2),
      accumulate,
    }),
  ],
  [
    "the loss sees all of the batch",
    /the loss saw mask/,
    ({ accumulate }) => ({ accumulate: (batch, loss) => accumulate(without(batch, "tokenMasks"), loss) }),
  ],
  [
    "the loss sees all of the batch",
    /the loss saw samplerLogProbs of undefined/,
    ({ accumulate }) => ({
      accumulate: (batch, loss) => accumulate(without(batch, "samplerLogProbs"), loss),
    }),
  ],
  [
    "the loss sees all of the batch",
    /entropies/,
    ({ accumulate }) => ({
      accumulate: async (batch, loss) => {
        const { entropies: _, ...report } = await accumulate(batch, loss);
        return report;
      },
    }),
  ],
  [
    "accumulate twice = once over both",
    /losses of 2 micro-batches add up/,
    ({ accumulate }) => ({
      // Divides by what is in the micro-batch, not by the totals of the update.
      accumulate: (batch, loss) =>
        accumulate(
          batch.totals.maxNewTokens === 64 && batch.microBatches === 5
            ? batch
            : { ...batch, totals: { ...batch.totals, tokens: tokens(batch.groups) } },
          loss,
        ),
    }),
  ],
  [
    "accumulate twice = once over both",
    /norm is .* in 2 micro-batches/,
    ({ accumulate, discard }) => ({
      // Keeps the last micro-batch only.
      accumulate: (batch, loss) => {
        discard();
        return accumulate(batch, loss);
      },
    }),
  ],
  ["discard forgets the gradient", /what was discarded/, () => ({ discard: () => undefined })],
  [
    "discard forgets the gradient",
    /did not throw invalid-argument/,
    ({ apply }) => ({
      apply: async (optimizer, options) =>
        apply(optimizer, options).catch(() => ({ gradientNorm: 0, applied: false })),
    }),
  ],
  [
    "what is not finite is never applied",
    /applied is true/,
    ({ apply }) => ({ apply: async (...args) => ({ ...(await apply(...args)), applied: true }) }),
  ],
  [
    "what is not finite is never applied",
    /whose loss is NaN/,
    ({ accumulate }) => ({
      // Looks at the gradient only.
      accumulate: async (batch, loss): Promise<AccumulateReport> => {
        const isBroken = loss.key.includes("not finite");
        const report = await accumulate(batch, isBroken ? { ...loss, compute: finiteCompute(loss) } : loss);
        return isBroken ? { ...report, loss: NaN } : report;
      },
    }),
  ],
  [
    "gradients of other processes are added",
    /norm of a doubled gradient/,
    ({ apply }) => ({
      apply: (optimizer, { combineGradient, ...options }) =>
        apply(
          optimizer,
          // A copy is combined: what the others add is lost.
          combineGradient ? { ...options, combineGradient: (own) => combineGradient(own.slice()) } : options,
        ),
    }),
  ],
  [
    "snapshot and restore, bit for bit",
    /end with another optimizer\/velocity|another parameters/,
    ({ snapshot, restore }) => ({
      // The optimizer's state is not restored.
      restore: async (state) => {
        const now = await snapshot();
        const isWhole = Object.values(state).every(({ length }) => length === now["parameters"]?.length);
        const velocity = now["optimizer/velocity"];
        await restore(
          isWhole && velocity && state["optimizer/velocity"]
            ? { ...state, "optimizer/velocity": velocity }
            : state,
        );
      },
      snapshot,
    }),
  ],
  [
    "snapshot and restore, bit for bit",
    /did not throw invalid-data/,
    ({ restore }) => ({
      restore: (state: PolicyState) => restore(state).catch(() => undefined),
    }),
  ],
  [
    "the reference moves only when it is synced",
    /moved the reference|follows every update/,
    ({ logProbs }) => ({ referenceLogProbs: logProbs }),
  ],
  [
    "the reference moves only when it is synced",
    /after syncReference\(1\)/,
    ({ syncReference }) => ({ syncReference: (mix) => syncReference(mix / 2) }),
  ],
];

function without(batch: TrainingBatch, field: "tokenMasks" | "samplerLogProbs"): TrainingBatch {
  return {
    ...batch,
    groups: batch.groups.map((group) => {
      const { [field]: _, ...others } = group;
      return others;
    }),
  };
}

/** Another loss, which is finite. */
function finiteCompute(loss: Parameters<Policy["accumulate"]>[1]): typeof loss.compute {
  return (inputs) => {
    const { metrics } = loss.compute(inputs);
    return { loss: tf.mul(tf.sum(inputs.logProbs), 1e-3), metrics };
  };
}

describe("checkPolicy", () => {
  it("passes an honest policy and leaves its state as it was", async () => {
    const policy = await honest();
    const before = await policy.snapshot();
    await checkPolicy(policy, { samples });
    const { parameters, reference } = await policy.snapshot();
    expect([parameters, reference]).toEqual([before["parameters"], before["reference"]]);
  });

  it.each(faults)('finds the fault against "%s": %s', async (rule, message, fault) => {
    const policy = await honest();
    const broken = { ...policy, ...fault(policy) };
    const exam = checkPolicy(broken, { samples });
    await expect(exam).rejects.toThrow(message);
    await expect(exam).rejects.toThrow(`The policy breaks the rule "${rule}"`);
    await expect(exam).rejects.toSatisfy((error) => VlmR1Error.is(error, "policy-failed"));
  });

  it("has a fault for every rule", () => {
    expect([...new Set(faults.map(([rule]) => rule))].toSorted()).toEqual([...policyRules].toSorted());
  });

  it("leaves out the rules that do not hold by design, and needs prompts that differ", async () => {
    const policy = await honest();
    const broken = { ...policy, referenceLogProbs: policy.logProbs };
    await checkPolicy(broken, { samples, except: ["the reference moves only when it is synced"] });
    await expect(checkPolicy(policy, { samples: samples.slice(1) })).rejects.toThrow(/two samples/);
  });
});
