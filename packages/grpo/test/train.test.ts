import * as tf from "@tensorflow/tfjs";
import { VlmR1Error, type CompleteOptions, type ScoreFunction } from "@vlmr1/core";
import { describe, expect, test } from "vitest";
import { dapoLoss } from "../src/loss/dapo.ts";
import { grpoLoss } from "../src/loss/grpo.ts";
import { adamW } from "../src/optimizer/adam.ts";
import { sgd } from "../src/optimizer/sgd.ts";
import type { Policy, TrainingBatch } from "@vlmr1/policy";
import { train, type TrainOptions } from "../src/train.ts";
import { collect, essence } from "./collect.ts";
import { tablePolicy } from "@vlmr1/policy/testing";
import { fakeDataset } from "./fake-dataset.ts";

/** 1 for the right word; how much of the right spelling otherwise. */
const bandit: ScoreFunction = async ({ completion }) => {
  const right = completion === "c" ? 1 : 0;
  return { total: right, scores: { right } };
};
/** Long answers of up to four words, "." ends them; rewarded for beginning with the letter of their prompt. */
const spelling: ScoreFunction = async ({ completion, sample }) => {
  const match = completion.startsWith("abc"[Number(sample.id) % 3] as string) ? 1 : 0;
  const brief = 1 - completion.length / 4;
  return { total: match + 0.5 * brief, scores: { match, brief } };
};
const speller = () => tablePolicy({ prompts: 6, words: ["a", "b", "c", "."], maxLength: 4 });
const short = { steps: 4, promptsPerStep: 4, groupSize: 4, maxNewTokens: 4, learningRate: 0.1 };

function spell(options: Partial<TrainOptions<unknown>> = {}) {
  const { config, ...rest } = options;
  return collect(
    train({
      policy: speller(),
      dataset: fakeDataset(6),
      score: spelling,
      ...rest,
      config: { ...short, ...config },
    }),
  );
}

/** Records what a policy was asked to do. */
function spied(policy: Policy = speller()) {
  const batches: TrainingBatch[] = [];
  const asked: CompleteOptions[] = [];
  const calls: string[] = [];
  const rates: number[] = [];
  const spy: Policy = {
    ...policy,
    complete: (samples, options) => (
      asked.push(options),
      calls.push("complete"),
      policy.complete(samples, options)
    ),
    logProbs: (groups, options) => (calls.push("logProbs"), policy.logProbs(groups, options)),
    referenceLogProbs: (groups, options) => (
      calls.push("reference"),
      policy.referenceLogProbs(groups, options)
    ),
    accumulate: (batch, loss) => (
      batches.push(batch),
      calls.push("accumulate"),
      policy.accumulate(batch, loss)
    ),
    apply: (optimizer, options) => (
      rates.push(options.learningRate),
      calls.push("apply"),
      policy.apply(optimizer, options)
    ),
    discard: () => (calls.push("discard"), policy.discard()),
    syncReference: (mix) => (calls.push(`sync ${mix}`), policy.syncReference(mix)),
  };
  return { spy, batches, asked, calls, rates };
}

describe("train", () => {
  test("learns a four-answer bandit in under a second, and leaks no tensor", async () => {
    const before = tf.memory().numTensors;
    const begin = process.cpuUsage();
    const { reports, summary } = await collect(
      train({
        policy: tablePolicy(),
        dataset: fakeDataset(1),
        score: bandit,
        loss: grpoLoss({ beta: 0 }),
        config: { seed: 1, steps: 25, promptsPerStep: 2, groupSize: 8, maxNewTokens: 1, learningRate: 0.3 },
      }),
    );
    const { user, system } = process.cpuUsage(begin);
    expect((user + system) / 1e6).toBeLessThan(1.5); // seconds of processor time; half a second on a quiet machine
    expect(reports.at(-1)?.metrics["reward/mean"]).toBe(1);
    expect(summary).toEqual({ ending: "finished", step: 25 });
    expect(tf.memory().numTensors).toBe(before);
  });

  test("learns to answer each prompt its own way, in fewer words", async () => {
    const { reports } = await spell({
      loss: grpoLoss({ beta: 0 }),
      config: { steps: 80, promptsPerStep: 6, groupSize: 8 },
    });
    const last = reports.at(-1)?.metrics;
    expect(last?.["reward/match"]).toBeGreaterThan(0.85);
    expect(last?.["completion/length"]).toBeLessThan(reports[0]?.metrics["completion/length"] as number);
  });

  test("repeats bit for bit with its seed, and differs with another", async () => {
    const [first, again] = [await spell(), await spell()];
    const other = await spell({ config: { seed: 1 } });
    expect(essence(again.reports)).toEqual(essence(first.reports));
    expect(essence(other.reports)).not.toEqual(essence(first.reports));
  });

  test("reports rewards by name, lengths, losses and times", async () => {
    const { reports } = await spell();
    const [report] = reports;
    const names = Object.keys(report?.metrics ?? {});
    expect(names).toEqual(
      expect.arrayContaining(["reward/mean", "reward/match", "reward/brief", "reward/constant-groups"]),
    );
    expect(names).toEqual(
      expect.arrayContaining(["completion/length", "completion/truncated", "policy/loss"]),
    );
    expect(names).toEqual(expect.arrayContaining(["policy/kl", "policy/entropy", "policy/clip-fraction"]));
    expect(names).toEqual(expect.arrayContaining(["policy/gradient-norm", "policy/learning-rate"]));
    expect(Object.values(report?.metrics ?? {}).every(Number.isFinite)).toBe(true);
    expect(report?.groups).toHaveLength(4);
    expect(report?.groups[0]?.advantages).toHaveLength(4);
    const { total, ...parts } = report?.seconds ?? { total: 0 };
    expect(Object.values(parts).reduce((sum, value) => sum + value, 0)).toBeLessThanOrEqual(total);
  });

  test("ends cleanly when the caller breaks out of the loop", async () => {
    let steps = 0;
    for await (const report of train({
      policy: speller(),
      dataset: fakeDataset(6),
      score: spelling,
      config: short,
    })) {
      steps = report.step;
      if (report.step === 2) break;
    }
    expect(steps).toBe(2);
  });

  test("refuses a wrong configuration with every field that is wrong, and an empty dataset", async () => {
    const config = { groupSize: 1, temperature: 0, steps: 2.5, unknown: 1 } as object;
    await expect(spell({ config })).rejects.toThrowErrorMatchingInlineSnapshot(`
      [VlmR1Error: GRPO configuration is not valid:
        steps (2.5): Invalid input: expected int, received number
        groupSize (1): Too small: expected number to be >=2
        temperature (0): Too small: expected number to be >0
        Unrecognized key: "unknown"]
    `);
    await expect(spell({ dataset: fakeDataset(0) })).rejects.toThrow("The dataset is empty");
  });

  test("a reward that throws stops the run with the sample's id; it never becomes 0", async () => {
    const cause = new Error("no box in target");
    const run = spell({ score: () => Promise.reject(cause) });
    await expect(run).rejects.toMatchObject({ code: "reward-failed", cause });
    await expect(run).rejects.toThrow(/sample \d failed: no box in target/);
    const nan = spell({ score: async () => ({ total: 1, scores: { iou: NaN } }) });
    await expect(nan).rejects.toThrow(/reward iou of a completion of sample \d is NaN/);
  });

  test("a sampler that breaks its contract is refused before anything is learnt", async () => {
    const policy = speller();
    const before = await policy.snapshot();
    const broken: Policy["complete"] = async (samples, options) =>
      (await policy.complete(samples, options)).map((group) => group.slice(1));
    await expect(spell({ policy, sampler: { complete: broken } })).rejects.toThrow(
      "The sampler broke its contract",
    );
    expect(await policy.snapshot()).toEqual(before);
  });
});

describe("options of the rollout", () => {
  test("promptsPerStep, groupSize and the sampling options reach the sampler", async () => {
    const { spy, asked, batches } = spied();
    const sampling = {
      temperature: 0.7,
      topK: 3,
      topP: 0.9,
      minP: 0.05,
      repetitionPenalty: 1.1,
      stop: ["x"],
      maxNewTokens: 3,
    };
    const { reports } = await spell({
      policy: spy,
      config: { ...sampling, promptsPerStep: 3, groupSize: 5, steps: 1 },
    });
    const { rng: _, ...options } = asked[0] as CompleteOptions;
    expect(options).toEqual({ ...sampling, count: 5, forTraining: true, promptNumbers: [0, 1, 2] });
    expect(reports[0]?.groups.map(({ completions }) => completions.length)).toEqual([5, 5, 5]);
    expect(batches[0]?.temperature).toBe(0.7);
    expect(batches[0]?.totals.maxNewTokens).toBe(3);
  });

  test("promptOrder: sequential walks in order, shuffled covers each epoch once, difficulty follows the spread", async () => {
    const indices = async (promptOrder: "sequential" | "shuffled" | "difficulty") => {
      const { reports } = await spell({ config: { promptOrder, steps: 3, promptsPerStep: 4 } });
      return reports.flatMap(({ groups }) => groups.map(({ index }) => index));
    };
    expect(await indices("sequential")).toEqual([0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]);
    const shuffled = await indices("shuffled");
    expect(shuffled.slice(0, 6).toSorted()).toEqual([0, 1, 2, 3, 4, 5]);
    expect(shuffled.slice(6).toSorted()).toEqual([0, 1, 2, 3, 4, 5]);
    expect(shuffled).not.toEqual(await indices("sequential"));
    expect((await indices("difficulty")).slice(0, 6).toSorted()).not.toEqual([]);
  });

  test("promptWeight is a curriculum: prompts of weight 0 wait for their step", async () => {
    const { reports } = await spell({
      promptWeight: (index, step) => (step < 2 ? Number(index < 3) : Number(index >= 3)),
      config: { promptsPerStep: 2 },
    });
    const early = reports.slice(0, 2).flatMap(({ groups }) => groups.map(({ index }) => index));
    const late = reports.slice(2).flatMap(({ groups }) => groups.map(({ index }) => index));
    expect(Math.max(...early)).toBeLessThan(3);
    expect(Math.min(...late)).toBeGreaterThanOrEqual(3);
  });

  test("the score sees the step, so rewards can follow a schedule", async () => {
    const steps = new Set<number | undefined>();
    await spell({
      score: async ({ step, tokenCount, truncated, completion }) => {
        steps.add(step);
        expect(tokenCount).toBe(completion.length);
        expect(truncated).toBe(!completion.endsWith("."));
        return { total: tokenCount ?? 0, scores: {} };
      },
    });
    expect([...steps]).toEqual([0, 1, 2, 3]);
  });

  test("rewardConcurrency bounds how many completions are scored at once", async () => {
    let [active, most] = [0, 0];
    const score: ScoreFunction = async () => {
      most = Math.max(most, ++active);
      await new Promise((resolve) => setTimeout(resolve, 1));
      active--;
      return { total: 1, scores: {} };
    };
    await spell({ score, config: { steps: 1, rewardConcurrency: 3 } });
    expect(most).toBe(3);
  });

  test("resampleRounds draws other prompts in place of constant groups, a bounded number of times", async () => {
    const onlyOdd: ScoreFunction = async ({ sample, completion }) => ({
      total: Number(sample.id) % 2 ? completion.length : 0,
      scores: {},
    });
    const run = (resampleRounds: number) =>
      spell({
        score: onlyOdd,
        config: { steps: 1, promptsPerStep: 3, promptOrder: "sequential", resampleRounds },
      });
    const [none, some] = [await run(0), await run(5)];
    expect(none.reports[0]?.groups.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(some.reports[0]?.groups.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5]);
    const trained = some.reports[0]?.groups.filter(({ advantages }) => advantages.some((a) => a !== 0));
    expect(trained?.map(({ index }) => index)).toEqual([1, 3, 5]);
    const never = await spell({
      score: async () => ({ total: 1, scores: {} }),
      config: { steps: 1, resampleRounds: 2 },
    });
    expect(never.reports[0]?.groups).toHaveLength(12);
    expect(never.reports[0]?.metrics["policy/updates"]).toBe(0);
  });
});

describe("options of the advantages", () => {
  const first = async (config: TrainOptions<unknown>["config"]) =>
    (await spell({ config: { steps: 1, ...config } })).reports[0]?.groups.flatMap(
      ({ advantages }) => advantages,
    ) ?? [];

  test("scale, baseline and combine change the advantages and nothing before them", async () => {
    const base = await first({});
    const variants = [
      await first({ scale: "batch" }),
      await first({ scale: "none" }),
      await first({ baseline: "leave-one-out" }),
      await first({ combine: "normalize-then-sum" }),
      await first({ combine: "normalize-then-sum", rewardWeights: { match: 5 } }),
    ];
    for (const variant of variants) expect(variant).toHaveLength(base.length);
    expect(new Set([base, ...variants].map((values) => JSON.stringify(values))).size).toBe(6);
    const lifted = await first({ baseline: "leave-one-out" });
    lifted.forEach((value, i) => expect(value).toBeCloseTo(((base[i] as number) * 4) / 3, 9));
  });

  test("normalize-then-sum learns from groups whose totals are equal and whose parts are not", async () => {
    const traded: ScoreFunction = async ({ completion }) => {
      const long = completion.length > 2 ? 1 : 0;
      return { total: 1, scores: { long, short: 1 - long } };
    };
    const run = async (combine: "sum-then-normalize" | "normalize-then-sum") => {
      const config = { steps: 1, combine, rewardWeights: { long: 3 } };
      return (await spell({ score: traded, config })).reports[0]?.metrics;
    };
    expect(await run("sum-then-normalize")).toMatchObject({
      "reward/constant-groups": 1,
      "policy/updates": 0,
    });
    expect((await run("normalize-then-sum"))?.["policy/updates"]).toBe(1);
    expect((await run("normalize-then-sum"))?.["reward/constant-groups"]).toBeLessThan(1);
  });

  test("maskTruncated learns nothing from answers that were cut off", async () => {
    const { spy, batches } = spied();
    await spell({ policy: spy, config: { steps: 1, maskTruncated: true, maxNewTokens: 2 } });
    const masks = batches.flatMap(({ groups }) =>
      groups.flatMap(({ completions, tokenMasks }) =>
        completions.map(({ tokenIds }, i) => [tokenIds.at(-1) === 3 ? 1 : 0, ...new Set(tokenMasks?.[i])]),
      ),
    );
    expect(masks.length).toBeGreaterThan(0);
    expect(masks.some(([ended]) => ended === 0)).toBe(true);
    expect(masks.every(([ended, mask]) => ended === mask)).toBe(true);
  });

  test("skipZeroVarianceGroups leaves weights as they would be with beta 0, and saves the forward", async () => {
    const half: ScoreFunction = async ({ step = 0, completion }) => ({
      total: step < 2 ? completion.length : 1,
      scores: {},
    });
    const run = async (skipZeroVarianceGroups: boolean, beta: number) => {
      const policy = speller();
      const { spy, batches } = spied(policy);
      await spell({
        policy: spy,
        score: half,
        loss: grpoLoss({ beta }),
        optimizer: sgd(),
        config: { skipZeroVarianceGroups },
      });
      const { parameters } = await policy.snapshot();
      return { parameters: parameters as Float32Array, rows: batches.flatMap(({ groups }) => groups).length };
    };
    const [skipped, kept] = [await run(true, 0), await run(false, 0)];
    expect(skipped.rows).toBeLessThan(kept.rows);
    skipped.parameters.forEach((value, i) => expect(value).toBeCloseTo(kept.parameters[i] as number, 6));
    const [skippedKl, keptKl] = [await run(true, 1), await run(false, 1)];
    expect([...skippedKl.parameters]).not.toEqual([...keptKl.parameters]);
  });
});

describe("options of the updates", () => {
  test("one update a rollout needs neither old nor (with beta 0) reference log-probabilities", async () => {
    const { spy, calls, batches } = spied();
    await spell({ policy: spy, loss: grpoLoss({ beta: 0 }), config: { steps: 1 } });
    expect(calls).toEqual(["complete", "accumulate", "apply"]);
    expect(
      batches[0]?.groups.every(({ oldLogProbs, referenceLogProbs }) => !oldLogProbs && !referenceLogProbs),
    ).toBe(true);
  });

  test("beta asks for reference log-probabilities; measureKlEvery does so now and then without beta", async () => {
    const { spy, calls } = spied();
    await spell({ policy: spy, loss: grpoLoss({ beta: 0.1 }), config: { steps: 1 } });
    expect(calls).toContain("reference");
    const measured = await spell({ loss: grpoLoss({ beta: 0 }), config: { steps: 5, measureKlEvery: 2 } });
    expect(measured.reports.map(({ metrics }) => "policy/kl" in metrics)).toEqual([
      true,
      false,
      true,
      false,
      true,
    ]);
    expect(measured.reports[2]?.metrics["policy/kl"]).toBeGreaterThan(0);
  });

  test("promptsPerMicroBatch adds gradients up to the same update", async () => {
    const run = async (promptsPerMicroBatch?: number) => {
      const policy = speller();
      const { spy, calls } = spied(policy);
      await spell({
        policy: spy,
        loss: dapoLoss(),
        optimizer: sgd(),
        config: {
          promptsPerStep: 6,
          skipZeroVarianceGroups: false,
          ...(promptsPerMicroBatch && { promptsPerMicroBatch }),
        },
      });
      const { parameters } = await policy.snapshot();
      return {
        parameters: parameters as Float32Array,
        forwards: calls.filter((call) => call === "accumulate").length,
      };
    };
    const [whole, pieces] = [await run(), await run(2)];
    expect([whole.forwards, pieces.forwards]).toEqual([4, 12]);
    whole.parameters.forEach((value, i) => expect(pieces.parameters[i]).toBeCloseTo(value, 5));
  });

  test("iterations go over the same answers again, with the old log-probabilities of the first forward", async () => {
    const { spy, calls, batches } = spied();
    const { reports } = await spell({
      policy: spy,
      loss: grpoLoss({ beta: 0 }),
      config: { steps: 1, iterations: 3 },
    });
    expect(calls).toEqual(["complete", ...Array.from({ length: 3 }, () => ["accumulate", "apply"]).flat()]);
    expect(batches.map(({ groups }) => groups[0]?.oldLogProbs !== undefined)).toEqual([false, true, true]);
    expect(batches[2]?.groups[0]?.oldLogProbs).toEqual(batches[1]?.groups[0]?.oldLogProbs);
    const expected = batches[0]?.groups[0]?.completions.map(({ tokenIds }) =>
      tokenIds.map(() => Math.log(0.25)),
    );
    expected
      ?.flat()
      .forEach((value, i) => expect(batches[1]?.groups[0]?.oldLogProbs?.flat()[i]).toBeCloseTo(value, 5));
    expect(reports[0]?.metrics["policy/updates"]).toBe(3);
    expect(reports[0]?.metrics["policy/ratio"]).not.toBe(1);
  });

  test("minibatches cut a rollout into several updates, later ones against log-probabilities from before the first", async () => {
    const { spy, calls, batches } = spied();
    const config = { steps: 1, minibatches: 2, skipZeroVarianceGroups: false };
    await spell({ policy: spy, loss: grpoLoss({ beta: 0 }), config });
    expect(calls).toEqual(["complete", "logProbs", "accumulate", "apply", "accumulate", "apply"]);
    expect(batches.map(({ groups }) => groups.length)).toEqual([2, 2]);
    expect(batches.map(({ totals }) => totals.completions)).toEqual([8, 8]);
    expect(batches.map(({ groups }) => groups[0]?.oldLogProbs !== undefined)).toEqual([false, true]);
  });

  test("learningRate, schedule and maxGradientNorm reach the optimizer", async () => {
    const { spy, rates } = spied();
    const schedule = { shape: "linear", warmup: 1 } as const;
    const { reports } = await spell({ policy: spy, config: { steps: 4, learningRate: 0.3, schedule } });
    expect(rates.map((rate) => Number(rate.toFixed(6)))).toEqual([0, 0.3, 0.2, 0.1]);
    expect(reports.map(({ metrics }) => metrics["policy/learning-rate"])).toEqual(rates);
    const move = async (maxGradientNorm: number) => {
      const policy = speller();
      await spell({ policy, optimizer: sgd(), config: { steps: 1, maxGradientNorm } });
      return Math.hypot(...((await policy.snapshot())["parameters"] as Float32Array));
    };
    expect(await move(1e-3)).toBeCloseTo(1e-4, 6);
    expect(await move(0)).toBeGreaterThan(1e-3);
  });

  test("referenceSync moves the reference every so many steps", async () => {
    const { spy, calls } = spied();
    await spell({ policy: spy, config: { steps: 5, referenceSync: { every: 2, mix: 0.5 } } });
    expect(calls.filter((call) => call.startsWith("sync"))).toEqual(["sync 0.5", "sync 0.5"]);
    const kl = async (referenceSync?: { every: number; mix: number }) =>
      (await spell({ config: { steps: 12, ...(referenceSync && { referenceSync }) } })).reports.at(-1)
        ?.metrics["policy/kl"];
    expect(await kl({ every: 1, mix: 1 })).toBeCloseTo(0, 6);
    expect(await kl()).toBeGreaterThan(1e-3);
  });

  test("the optimizer is the caller's, and it counts applied updates", async () => {
    const seen: number[] = [];
    const inner = adamW();
    const optimizer = {
      ...inner,
      scalars: (update: { learningRate: number; step: number }) => (
        seen.push(update.step),
        inner.scalars(update)
      ),
    };
    await spell({ optimizer, config: { steps: 2, iterations: 2 } });
    expect(seen).toEqual([0, 1, 2, 3]);
  });
});

describe("updates that are not finite", () => {
  /** A policy whose forward number `at` gives NaN. */
  const sick = (at: (call: number) => boolean, what: "loss" | "gradient") => {
    const policy = speller();
    let call = 0;
    return {
      policy,
      spy: {
        ...policy,
        accumulate: async (...args: Parameters<Policy["accumulate"]>) => {
          const report = await policy.accumulate(...args);
          return what === "loss" && at(call++) ? { ...report, loss: NaN } : report;
        },
        apply: async (...args: Parameters<Policy["apply"]>) => {
          if (what === "loss" || !at(call++)) return policy.apply(...args);
          policy.discard();
          return { gradientNorm: Infinity, applied: false };
        },
      } satisfies Policy,
    };
  };

  test.each(["loss", "gradient"] as const)("a bad %s is dropped, counted and explained", async (what) => {
    const { policy, spy } = sick((call) => call === 1, what);
    const states: string[] = [];
    const notes: string[][] = [];
    for await (const report of train({
      policy: spy,
      dataset: fakeDataset(6),
      score: spelling,
      config: short,
    })) {
      states.push(JSON.stringify(await policy.snapshot()));
      notes.push([...report.notes]);
      expect(report.metrics["policy/dropped"]).toBe(report.step === 2 ? 1 : 0);
    }
    expect(states[1]).toBe(states[0]);
    expect(states[2]).not.toBe(states[1]);
    expect(notes[1]?.[0]).toMatch(
      what === "loss" ? /dropped: the loss of micro-batch 1 of 1 \(samples/ : /norm is Infinity/,
    );
    expect(notes.flat()).toHaveLength(1);
  });

  test("three in a row stop the run, and the weights are still those before", async () => {
    const { policy, spy } = sick((call) => call >= 1, "loss");
    const run = spell({ policy: spy, config: { steps: 10 } });
    await expect(run).rejects.toMatchObject({ code: "diverged" });
    await expect(run).rejects.toThrow(/3 updates in a row were dropped.*Lower learningRate/s);
    const { parameters } = await policy.snapshot();
    expect([...(parameters as Float32Array)].every(Number.isFinite)).toBe(true);
  });

  test("two in a row and one good one go on", async () => {
    const { spy } = sick((call) => call % 3 !== 2, "gradient");
    expect((await spell({ policy: spy, config: { steps: 9 } })).summary.ending).toBe("finished");
  });
});

describe("AbortSignal", () => {
  test("ends the run between steps and inside sampling, without an error", async () => {
    for (const when of ["before", "inside"] as const) {
      const controller = new AbortController();
      const policy = speller();
      let calls = 0;
      const complete: Policy["complete"] = async (samples, options) => {
        calls++;
        if (when === "inside" && calls === 3) {
          controller.abort();
          throw new VlmR1Error("aborted", "stopped");
        }
        return policy.complete(samples, options);
      };
      const run = train({
        policy: { ...policy, complete },
        dataset: fakeDataset(6),
        score: spelling,
        config: short,
        signal: controller.signal,
      });
      const steps: number[] = [];
      let summary;
      for (;;) {
        const { done, value } = await run.next();
        if (done) {
          summary = value;
          break;
        }
        steps.push(value.step);
        if (when === "before" && value.step === 2) controller.abort();
      }
      expect(steps).toEqual([1, 2]);
      expect(summary).toEqual({ ending: "aborted", step: 2 });
    }
  });
});
