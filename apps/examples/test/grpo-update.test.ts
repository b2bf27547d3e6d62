import { readFileSync } from "node:fs";
import { createRng } from "@vlmr1/core";
import { openEngine } from "@vlmr1/engine";
import {
  adamW,
  dapoLoss,
  grpoLoss,
  gspoLoss,
  optimizerUpdate,
  type PolicyLoss,
  type TrainingGroup,
} from "@vlmr1/grpo";
import { describe, expect, test } from "vitest";
import { caseGroups, casePolicy } from "./grpo-update-case.ts";

interface Run {
  readonly options: {
    readonly kind: "grpo" | "dapo" | "gspo";
    readonly learningRate: number;
    readonly temperature: number;
    readonly beta: number;
    readonly clipLow: number;
    readonly clipHigh: number;
    readonly weightDecay: number;
  };
  readonly steps: readonly {
    readonly loss: number;
    readonly gradientNorm: number;
    readonly kl: number;
    readonly entropy: number;
    readonly logProbs: readonly (readonly number[])[];
  }[];
  readonly after: readonly (readonly number[])[];
}

const { runs } = JSON.parse(readFileSync(new URL("fixtures/grpo-update.json", import.meta.url), "utf8")) as {
  runs: readonly Run[];
};
const losses = { grpo: grpoLoss, dapo: dapoLoss, gspo: gspoLoss };

/** Largest difference over the tokens that both have; expected rows are padded. */
function farthest(
  ours: readonly (readonly Float32Array[])[],
  expected: readonly (readonly number[])[],
): number {
  return Math.max(
    ...ours
      .flat()
      .flatMap((row, b) => Array.from(row, (value, t) => Math.abs(value - (expected[b]?.[t] ?? NaN)))),
  );
}
const rows = (logProbs: readonly Float32Array[] | undefined) =>
  (logProbs ?? []).map((row) => Array.from(row));

describe("several updates on one rollout equal PyTorch's: trainer's losses and optimizer, model's gradients", () => {
  test.each(runs)(
    "$options.kind",
    async ({ options, steps, after }) => {
      const engine = await openEngine();
      const { policy } = await casePolicy(engine);
      const { kind, temperature, learningRate, weightDecay, ...lossOptions } = options;
      const { clipLow, clipHigh, beta } = lossOptions;
      const loss: PolicyLoss = losses[kind]({ beta, clipLow, clipHigh });
      const reference = await policy.referenceLogProbs(caseGroups, { temperature });
      const old = await policy.logProbs(caseGroups, { temperature });
      const totals = { completions: 6, tokens: 5 + 3 + 7 + 5 + 4 + 7, maxNewTokens: 7 };
      for (const [step, expected] of steps.entries()) {
        const groups: TrainingGroup[] = caseGroups.map((group, g) => ({
          ...group,
          ...(step > 0 && { oldLogProbs: rows(old[g]) }),
          referenceLogProbs: rows(reference[g]),
        }));
        const update = await optimizerUpdate({ policy, loss, optimizer: adamW({ weightDecay }) }, [groups], {
          totals,
          temperature,
          learningRate,
          maxGradientNorm: 1,
          step,
          rng: createRng(0),
        });
        expect(
          farthest(update.logProbs.flat().length ? (update.logProbs[0] ?? []) : [], expected.logProbs),
        ).toBeLessThan(1e-3);
        expect(update.loss).toBeCloseTo(expected.loss, 4);
        expect(update.gradientNorm / Math.max(1e-6, expected.gradientNorm)).toBeCloseTo(
          expected.gradientNorm > 0 ? 1 : 0,
          3,
        );
        expect(update.metrics["kl"]).toBeCloseTo(expected.kl, 3);
        expect(update.metrics["entropy"]).toBeCloseTo(expected.entropy, 3);
      }
      expect(farthest(await policy.logProbs(caseGroups, { temperature }), after)).toBeLessThan(1e-3);
      await engine.dispose();
    },
    60_000,
  );
});
