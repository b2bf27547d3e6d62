import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { checkGuards, defaultGuards, Guard, type GuardMemory } from "../src/run/guards.ts";
import type { Policy } from "@vlmr1/policy";
import { train } from "../src/train.ts";
import { collect } from "./collect.ts";
import { fakeDataset } from "./fake-dataset.ts";
import { plainPolicy } from "./plain-policy.ts";

/** Steps (from 1) at which a guard fires on these values. */
function firings(guard: object, values: readonly (number | undefined)[]): number[] {
  const guards = [Guard.parse({ metric: "m", ...guard })];
  let memory: readonly GuardMemory[] = [];
  return values.flatMap((value, i) => {
    const checked = checkGuards(guards, value === undefined ? {} : { m: value }, memory);
    memory = JSON.parse(JSON.stringify(checked.memory)) as GuardMemory[];
    return checked.events.length > 0 ? [i + 1] : [];
  });
}

describe("checkGuards", () => {
  test("above and below compare strictly", () => {
    expect(firings({ above: 1 }, [0, 1, 1.1, 2])).toEqual([3, 4]);
    expect(firings({ below: 1 }, [0, 1, 1.1, 0.9])).toEqual([1, 4]);
  });

  test("patience waits for as many broken steps in a row", () => {
    expect(firings({ above: 1, patience: 3 }, [2, 2, 0, 2, 2, 2, 2, 0])).toEqual([6, 7]);
  });

  test("aboveMean compares with the running mean, which outliers do not move, after ten steps", () => {
    const steady = Array.from({ length: 10 }, () => 1);
    expect(firings({ aboveMean: 5 }, [100, 1, 1])).toEqual([]);
    expect(firings({ aboveMean: 5 }, [...steady, 6, 6, 6, 4.9])).toEqual([11, 12, 13]);
  });

  test("a step without the metric neither breaks nor mends", () => {
    expect(firings({ above: 1, patience: 2 }, [2, undefined, 2])).toEqual([3]);
  });

  test("an event names rule, value and action", () => {
    const { events } = checkGuards(
      [Guard.parse({ metric: "policy/kl", above: 0.5, action: "stop" })],
      { "policy/kl": 0.7512345 },
      [],
    );
    expect(events).toMatchInlineSnapshot(`
      [
        {
          "action": "stop",
          "message": "policy/kl is 0.7512, above 0.5: stop.",
          "metric": "policy/kl",
          "value": 0.7512345,
        },
      ]
    `);
  });

  test("the default guards roll back from destroyed weights, and warn of KL, gradient norm, entropy, truncation and variance", () => {
    const guards = defaultGuards.map((guard) => Guard.parse(guard));
    expect(guards.map(({ action }) => action)).toEqual(["rollback", ...Array(6).fill("warn")]);
    const bad = {
      "policy/weight-growth": NaN,
      "policy/kl": 5,
      "policy/gradient-norm": 1e6,
      "policy/entropy": 0,
      "completion/truncated": 1,
      "sampler/log-prob-gap": 1,
      "reward/constant-groups": 1,
    };
    const settled = guards.map(() => ({ broken: 99, mean: 1, seen: 50 }));
    expect(checkGuards(guards, bad, settled).events.map(({ metric }) => metric)).toEqual(Object.keys(bad));
  });
});

describe("guards in a run", () => {
  const run = (policy: Policy, guard: object, options: object = {}, more: object = {}) =>
    collect(
      train({
        policy,
        dataset: fakeDataset(6),
        score: async ({ completion }) => ({ total: completion.length, scores: {} }),
        config: {
          steps: 6,
          promptsPerStep: 3,
          groupSize: 4,
          learningRate: 0.1,
          guards: [Guard.parse({ metric: "policy/gradient-norm", ...guard })],
          ...options,
        },
        ...more,
      }),
    );
  /** A policy whose gradient norm is reported as 1000 in update number `at`. */
  const jumping = (at: number) => {
    const policy = plainPolicy();
    const rates: number[] = [];
    return {
      policy,
      rates,
      spy: {
        ...policy,
        apply: async (...args: Parameters<Policy["apply"]>) => {
          rates.push(args[1].learningRate);
          const report = await policy.apply(...args);
          return { ...report, gradientNorm: rates.length === at ? 1000 : 1 };
        },
      } satisfies Policy,
    };
  };

  test("warn: says so and goes on", async () => {
    const { reports, summary } = await run(jumping(3).spy, { above: 10 });
    expect(reports.map(({ guards }) => guards.length)).toEqual([0, 0, 1, 0, 0, 0]);
    expect(reports[2]?.guards[0]?.message).toBe("policy/gradient-norm is 1000, above 10: warn.");
    expect(summary.ending).toBe("finished");
  });

  test("stop: ends the run at this step and says why", async () => {
    const { reports, summary } = await run(jumping(3).spy, { above: 10, action: "stop" });
    expect(reports.at(-1)).toMatchObject({ step: 3, ending: "guard" });
    expect(reports.at(-1)?.guards[0]?.message).toContain("above 10: stop");
    expect(summary).toMatchObject({ ending: "guard", step: 3 });
  });

  test("rollback: restores the last good state, in memory or on disk, and lowers the learning rate", async () => {
    for (const disk of [false, true]) {
      const directory = await mkdtemp(join(tmpdir(), "vlmr1-guard-"));
      const { policy, spy, rates } = jumping(3);
      const states: string[] = [];
      const notes: string[] = [];
      const run = train({
        policy: spy,
        dataset: fakeDataset(6),
        score: async ({ completion }) => ({ total: completion.length, scores: {} }),
        config: {
          steps: 5,
          promptsPerStep: 3,
          groupSize: 4,
          learningRate: 0.1,
          checkpointEvery: 2,
          rollbackRate: 0.25,
          guards: [{ metric: "policy/gradient-norm", above: 10, action: "rollback" }],
        },
        ...(disk && { directory }),
      });
      for await (const report of run) {
        states.push(JSON.stringify(await policy.snapshot()));
        notes.push(...report.notes);
      }
      expect(notes[0]).toMatch(/^Rolled back to the last good state .*; the learning rate is now 0.25/);
      expect(states[2]).toBe(states[1]);
      expect(states[3]).not.toBe(states[1]);
      expect(rates).toEqual([0.1, 0.1, 0.1, 0.025, 0.025]);
      await rm(directory, { recursive: true });
    }
  });

  test("rollback in the first steps returns to the beginning", async () => {
    for (const disk of [false, true]) {
      const directory = await mkdtemp(join(tmpdir(), "vlmr1-guard-"));
      const { policy, spy } = jumping(1);
      const before = JSON.stringify(await policy.snapshot());
      await run(
        spy,
        { above: 10, action: "rollback" },
        { steps: 1, checkpointEvery: 2 },
        disk ? { directory } : {},
      );
      expect(JSON.stringify(await policy.snapshot())).toBe(before);
      await rm(directory, { recursive: true });
    }
  });
});

describe("evaluation and early stop", () => {
  const run = (config: object, values: number[]) => {
    const asked: number[] = [];
    const evaluate = async ({ step }: { step: number }) => {
      asked.push(step);
      return { accuracy: values[asked.length - 1] ?? 0 };
    };
    const options = { steps: 7, promptsPerStep: 2, groupSize: 2, ...config };
    const score = async () => ({ total: 0, scores: {} });
    const running = train({
      policy: plainPolicy(),
      dataset: fakeDataset(6),
      score,
      evaluate,
      config: options,
    });
    return collect(running).then((result) => ({ ...result, asked }));
  };

  test("evaluateEvery measures at every Nth step and at the last one", async () => {
    const { reports, asked } = await run({ evaluateEvery: 3 }, [0.1, 0.2, 0.3]);
    expect(asked).toEqual([3, 6, 7]);
    expect(reports.map(({ metrics }) => metrics["eval/accuracy"])).toEqual([
      undefined,
      undefined,
      0.1,
      undefined,
      undefined,
      0.2,
      0.3,
    ]);
    expect((await run({}, [])).asked).toEqual([]);
  });

  test("earlyStop ends after `patience` measurements without improvement", async () => {
    const earlyStop = { metric: "eval/accuracy", patience: 2 };
    const { summary } = await run({ evaluateEvery: 1, earlyStop }, [0.1, 0.3, 0.2, 0.3, 0.9]);
    expect(summary).toEqual({ ending: "early-stop", step: 4 });
    const strict = await run(
      { evaluateEvery: 1, earlyStop: { ...earlyStop, minimum: 0.15 } },
      [0.1, 0.2, 0.25, 0.3],
    );
    expect(strict.summary.step).toBe(3);
  });

  test("earlyStop ends as soon as the target is reached", async () => {
    const earlyStop = { metric: "eval/accuracy", target: 0.5 };
    expect((await run({ evaluateEvery: 2, earlyStop }, [0.1, 0.6])).summary).toEqual({
      ending: "early-stop",
      step: 4,
    });
  });

  test("without a metric earlyStop watches the evaluation's first number, or else the mean reward", async () => {
    const evaluated = await run({ evaluateEvery: 2, earlyStop: { target: 0.5 } }, [0.1, 0.6]);
    expect(evaluated.summary).toEqual({ ending: "early-stop", step: 4 });
    const rewarded = await run({ earlyStop: { patience: 2 } }, []); // every reward is 0
    expect(rewarded.summary).toEqual({ ending: "early-stop", step: 3 });
  });

  test("bestMetric remembers the best step", async () => {
    const { summary } = await run(
      { evaluateEvery: 1, bestMetric: "eval/accuracy" },
      [0.1, 0.5, 0.3, 0.5, 0.2, 0.1, 0],
    );
    expect(summary.best).toEqual({ step: 2, value: 0.5 });
  });
});
