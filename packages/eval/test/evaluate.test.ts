import {
  createRng,
  VlmR1Error,
  type Completion,
  type CompletionModel,
  type Dataset,
  type RewardFunction,
  type Sample,
} from "@vlmr1/core";
import { describe, expect, test } from "vitest";
import { evaluate, type EvaluateOptions } from "../src/evaluate.ts";
import { reportToMarkdown } from "../src/report.ts";

interface Sum {
  readonly sum: number;
}

const samples: Sample<Sum>[] = Array.from({ length: 21 }, (_, i) => ({
  id: `q${i}`,
  prompt: `${i} + 1?`,
  images: [],
  target: { sum: i + 1 },
  ...(i === 20 ? {} : { group: i % 2 === 0 ? "even" : "odd" }),
}));
const dataset: Dataset<Sum> = { length: samples.length, get: async (index) => samples[index] as Sample<Sum> };

const completion = (text: string): Completion => ({
  text,
  tokenIds: [1, 2],
  logProbs: [0, 0],
  finishReason: "stop",
});

/** Adds rightly when the first number is even, and says so in as many tries as asked for. */
const calls: number[] = [];
const model: CompletionModel = {
  complete: async (batch, { count, rng }) => {
    calls.push(batch.length);
    return batch.map(({ prompt }) => {
      const first = Number.parseInt(prompt, 10);
      return Array.from({ length: count }, () => {
        rng.uniform();
        return completion(String(first + (first % 2 === 0 ? 1 : 2)));
      });
    });
  },
};

const exact: RewardFunction<Sum> = ({ completion: text, sample }) =>
  Number(text) === sample.target.sum ? 1 : 0;
const options = (more: Partial<EvaluateOptions<Sum>> = {}): EvaluateOptions<Sum> => ({
  model,
  dataset,
  metrics: { exact, sum: ({ sample }) => sample.target.sum },
  rng: createRng(7),
  ...more,
});

describe("evaluate", () => {
  test("averages metrics over the set and per group, with intervals around the means", async () => {
    const report = await evaluate(options());
    expect(report.samples).toBe(21);
    expect(report.totals["exact"]?.mean).toBeCloseTo(11 / 21, 12);
    expect(report.totals["exact"]?.low).toBeLessThan(11 / 21);
    expect(report.totals["exact"]?.high).toBeGreaterThan(11 / 21);
    expect(
      report.groups.map(({ group, samples, totals }) => [group, samples, totals["exact"]?.mean]),
    ).toEqual([
      ["even", 10, 1],
      ["odd", 10, 0],
    ]);
  });
  test("has one row per sample, in order, with the completion and its scores", async () => {
    const { rows } = await evaluate(options());
    expect(rows.map(({ id }) => id)).toEqual(samples.map(({ id }) => id));
    expect(rows[1]).toEqual({
      index: 1,
      id: "q1",
      group: "odd",
      prompt: "1 + 1?",
      completions: [{ text: "3", tokens: 2, finishReason: "stop", scores: { exact: 0, sum: 2 } }],
      scores: { exact: 0, sum: 2 },
    });
    expect(rows[20]).not.toHaveProperty("group");
  });
  test("asks the model in batches and reports rows as they come", async () => {
    calls.length = 0;
    const seen: string[] = [];
    await evaluate(options({ batchSize: 8, onRow: ({ id }) => seen.push(id) }));
    expect(calls).toEqual([8, 8, 5]);
    expect(seen).toHaveLength(21);
  });
  test("averages several completions of a sample", async () => {
    let calls = 0;
    const fickle: CompletionModel = {
      complete: async (batch, { count }) =>
        batch.map(() =>
          Array.from({ length: count }, () => completion(calls++ % 4 === 0 ? "right" : "wrong")),
        ),
    };
    const right: RewardFunction = ({ completion: text }) => (text === "right" ? 1 : 0);
    const { rows } = await evaluate(options({ model: fickle, completions: 4, metrics: { right } }));
    expect(
      rows.every(({ scores, completions }) => scores["right"] === 0.25 && completions.length === 4),
    ).toBe(true);
  });
  test("gives the same report for the same seed", async () => {
    expect(await evaluate(options())).toEqual(await evaluate(options()));
    const other = await evaluate(options({ rng: createRng(8) }));
    expect(other.totals["sum"]).not.toEqual((await evaluate(options())).totals["sum"]);
  });
});

test("a metric that needs what the dataset does not have does not compile", () => {
  const needsBox: RewardFunction<{ box: number[] }> = ({ sample }) => sample.target.box.length;
  const needsNothing: RewardFunction = () => 1;
  // @ts-expect-error the dataset has sums, no boxes
  const wrong: EvaluateOptions<Sum>["metrics"] = { needsBox };
  const right: EvaluateOptions<Sum>["metrics"] = { exact, needsNothing };
  expect([Object.keys(wrong), Object.keys(right)]).toEqual([["needsBox"], ["exact", "needsNothing"]]);
});

describe("evaluate refuses", () => {
  const errorOf = async (more: Partial<EvaluateOptions<Sum>>): Promise<string> => {
    const error: unknown = await evaluate(options(more)).catch((cause: unknown) => cause);
    return VlmR1Error.is(error) ? `${error.code}: ${error.message}` : "no error";
  };
  test("an empty dataset", async () => {
    expect(await errorOf({ dataset: { length: 0, get: dataset.get } })).toMatchInlineSnapshot(
      `"invalid-argument: The dataset is empty: there is nothing to evaluate."`,
    );
  });
  test("a batch of nothing", async () => {
    expect(await errorOf({ batchSize: 0 })).toMatchInlineSnapshot(
      `"invalid-argument: batchSize must be a whole number of samples >= 1, got 0."`,
    );
  });
  test("a model that returns too few completions", async () => {
    const short: CompletionModel = { complete: async (batch) => batch.map(() => []) };
    expect(await errorOf({ model: short, batchSize: 2 })).toMatchInlineSnapshot(
      `"invalid-argument: The model must return 2 groups of 1 completions, got groups of [0, 0]."`,
    );
  });
  test("a metric that throws, naming it and the sample", async () => {
    const broken: RewardFunction<Sum> = () => {
      throw new Error("no target");
    };
    expect(await errorOf({ metrics: { broken } })).toMatchInlineSnapshot(
      `"reward-failed: Metric "broken" failed on sample q0: no target"`,
    );
  });
  test("a metric that is not finite", async () => {
    expect(await errorOf({ metrics: { nan: () => Number.NaN } })).toMatchInlineSnapshot(
      `"reward-failed: Metric "nan" gave NaN for sample q0: a metric must be a finite number for any completion."`,
    );
  });
  test("to go on after the signal fired", async () => {
    const controller = new AbortController();
    const stop = (): void => controller.abort();
    expect(await errorOf({ signal: controller.signal, batchSize: 4, onRow: stop })).toMatchInlineSnapshot(
      `"aborted: The evaluation was stopped after 4 of 21 samples."`,
    );
  });
});

describe("several completions a sample", () => {
  /** Right in the first `n % 4` of four completions. */
  const unsteady: CompletionModel = {
    complete: async (batch, { count }) =>
      batch.map(({ prompt }) => {
        const first = Number.parseInt(prompt, 10);
        return Array.from({ length: count }, (_, i) => completion(String(first + (i < first % 4 ? 1 : 2))));
      }),
  };
  test("give mean@k and pass@k with intervals, for metrics that are right or wrong", async () => {
    const report = await evaluate(options({ model: unsteady, completions: 4, temperature: 1 }));
    // Of 21 samples 6 have none right, 5 each one, two and three of four.
    expect(report.totals["exact"]?.mean).toBeCloseTo((5 * 1 + 5 * 2 + 5 * 3) / 4 / 21, 12);
    const [first, second, fourth] = report.passAt["exact"] ?? [];
    expect([first?.k, second?.k, fourth?.k]).toEqual([1, 2, 4]);
    expect(first?.mean).toBeCloseTo(report.totals["exact"]?.mean ?? 0, 12);
    expect(second?.mean).toBeCloseTo((5 * (1 / 2) + 5 * (5 / 6) + 5) / 21, 12);
    expect(fourth?.mean).toBeCloseTo(15 / 21, 12);
    expect(fourth?.low).toBeLessThan(15 / 21);
    expect(report.passAt["sum"]).toBeUndefined();
    expect(reportToMarkdown(report)).toMatch(/\| exact mean@4 \| 0\.3571 .*\| exact pass@2 \| 0\.5556 /s);
    expect((await evaluate(options())).passAt).toEqual({});
  });
});

describe("bad samples", () => {
  const unreadable: Dataset<Sum> = {
    length: samples.length,
    get: async (index) => {
      if (index === 4) throw new VlmR1Error("invalid-data", "line 5: the picture is cut in half");
      return samples[index] as Sample<Sum>;
    },
  };
  const picky: CompletionModel = {
    complete: async (batch, how) => {
      const bad = batch.find(({ id }) => id === "q7");
      if (bad) throw new VlmR1Error("invalid-data", "the picture of q7 is 1093 x 5 pixels");
      return model.complete(batch, how);
    },
  };
  test("end the evaluation unless they are to be skipped", async () => {
    await expect(evaluate(options({ dataset: unreadable }))).rejects.toThrow("cut in half");
    await expect(evaluate(options({ model: picky }))).rejects.toThrow("1093 x 5");
  });
  test("are left out of every number, counted and named, and never replaced by a neighbour", async () => {
    const report = await evaluate(
      options({ dataset: unreadable, model: picky, onBadSample: "skip", batchSize: 4 }),
    );
    expect(report.samples).toBe(19);
    expect(report.leftOut).toEqual([
      { index: 4, problem: "line 5: the picture is cut in half" },
      { index: 7, id: "q7", problem: "the picture of q7 is 1093 x 5 pixels" },
    ]);
    expect(report.rows.map(({ index }) => index)).toEqual(
      Array.from({ length: 21 }, (_, i) => i).filter((i) => i !== 4 && i !== 7),
    );
    expect(report.totals["exact"]?.mean).toBeCloseTo(10 / 19, 12);
    expect(reportToMarkdown(report)).toContain(
      "19 samples. Intervals are percentile bootstrap over samples. 2 bad samples are left out",
    );
    expect(reportToMarkdown(report)).toContain("- 7 (q7): the picture of q7 is 1093 x 5 pixels");
  });
  test("mistakes of the program are no bad samples, and a set without a good one is an error", async () => {
    const broken: CompletionModel = { complete: () => Promise.reject(new TypeError("a mistake")) };
    await expect(evaluate(options({ model: broken, onBadSample: "skip" }))).rejects.toThrow(TypeError);
    const none: Dataset<Sum> = { length: 2, get: () => Promise.reject(new VlmR1Error("not-found", "gone")) };
    await expect(evaluate(options({ dataset: none, onBadSample: "skip" }))).rejects.toThrow(
      "None of the 2 samples",
    );
  });
});
