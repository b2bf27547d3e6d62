import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import * as vlmR1 from "../../src/vlm-r1.ts";

interface OdCase {
  readonly content: string;
  readonly sol: string;
  readonly [rule: string]: string | number;
}

/** What the unmodified Python functions returned. Strings such as "EXC TypeError" stand for exceptions. */
const golden = JSON.parse(
  readFileSync(new URL("../fixtures/vlmr1_rewards.json", import.meta.url), "utf8"),
) as {
  iou: { a: Four; b: Four; vlmr1: number }[];
  od: OdCase[];
  extract_choice: { t: string; r: string | null }[];
  yes_no: { c: string; s: string; r: number }[];
  mcq: { c: string; s: string; r: number }[];
  clean_text: { t: string; r: string }[];
  all_match: { c: string; s: string; r: number }[];
  numeric: { c: string; s: string; r: number | null }[];
  repetition: { t: string; r: number }[];
  format: { t: string; rec: boolean; default: boolean }[];
};
type Four = readonly [number, number, number, number];

/** More of the same, with random damage: made by the same functions. */
const random = JSON.parse(
  readFileSync(new URL("../fixtures/published-differential.json", import.meta.url), "utf8"),
) as {
  od: OdCase[];
  rep: [string, number | string][];
  choice: [string, string | null][];
  yn: [string, string, number][];
  mcq: [string, string, number][];
  clean: [string, string][];
  all: [string, string, number][];
  num: [string, string, number | null][];
  fmt: [string, boolean, boolean, boolean, boolean][];
  iou: [Four, Four, number | string][];
  default: [string, string, number][];
};

/** Equal to 1e-12, or a crash where Python crashed; what is compared shows in the message. */
function expectPublished(run: () => number, wanted: number | string, context: unknown): void {
  if (typeof wanted === "string") expect(run).toThrow(/crashes here/);
  else {
    const got = run();
    expect([context, Math.abs(got - wanted) <= 1e-12 ? wanted : got]).toEqual([context, wanted]);
  }
}

describe("the published rules, to 1e-12", () => {
  test.each(golden.iou)("iou of $a and $b", ({ a, b, vlmr1 }) => {
    expectPublished(() => vlmR1.iou(a, b), vlmr1, { a, b });
  });

  test.each(golden.od)("detection: $name", ({ content, sol, ...wanted }) => {
    const rules: Readonly<Record<string, (content: string, solution: string) => number>> = {
      od_ap: vlmR1.odReward,
      od_ap50: vlmR1.odAp50Reward,
      odLength: vlmR1.odLengthReward,
      weighted_sum: vlmR1.weightedSumReward,
      repetition: vlmR1.repetitionReward,
    };
    for (const [rule, value] of Object.entries(wanted)) {
      if (rule !== "name")
        expectPublished(() => (rules[rule] as typeof vlmR1.odReward)(content, sol), value, rule);
    }
  });

  test("choices, yes and no, numbers and texts", () => {
    for (const { t, r } of golden.extract_choice) expect([t, vlmR1.extractChoice(t)]).toEqual([t, r]);
    for (const { c, s, r } of golden.yes_no) expect([c, vlmR1.yesNoReward(c, s)]).toEqual([c, r]);
    for (const { c, s, r } of golden.mcq) expect([c, vlmR1.mcqReward(c, s)]).toEqual([c, r]);
    for (const { t, r } of golden.clean_text) expect([t, vlmR1.cleanText(t)]).toEqual([t, r]);
    for (const { c, s, r } of golden.all_match) expect([c, vlmR1.allMatchReward(c, s)]).toEqual([c, r]);
    for (const { c, s, r } of golden.numeric) expect([c, vlmR1.numericReward(c, s)]).toEqual([c, r]);
    for (const { t, r } of golden.repetition) expectPublished(() => vlmR1.repetitionReward(t), r, t);
    for (const { t, rec, default: plain } of golden.format) {
      expect([t, vlmR1.formatRewardRec(t)]).toEqual([t, rec ? 1 : 0]);
      expect([t, vlmR1.formatReward(t)]).toEqual([t, plain ? 1 : 0]);
    }
  });
});

describe("the published rules on random damage", () => {
  test("detection", () => {
    for (const { content, sol, ...wanted } of random.od) {
      expectPublished(() => vlmR1.odReward(content, sol), wanted["od_ap"] as number, content);
      expectPublished(() => vlmR1.odAp50Reward(content, sol), wanted["od_ap50"] as number, content);
      expectPublished(() => vlmR1.odLengthReward(content, sol), wanted["odLength"] as number, content);
      expectPublished(() => vlmR1.mapReward(content, sol), wanted["map"] as number, content);
      expectPublished(() => vlmR1.weightedSumReward(content, sol), wanted["weighted_sum"] as number, content);
      expectPublished(() => vlmR1.detectionScore(content, sol), wanted["detection"] as number, content);
      expectPublished(() => vlmR1.repetitionReward(content), wanted["repetition"] as number, content);
    }
  });

  test("texts", () => {
    for (const [text, wanted] of random.rep)
      expectPublished(() => vlmR1.repetitionReward(text), wanted, text);
    for (const [text, wanted] of random.choice)
      expect([text, vlmR1.extractChoice(text)]).toEqual([text, wanted]);
    for (const [content, solution, wanted] of random.yn)
      expect(vlmR1.yesNoReward(content, solution)).toBe(wanted);
    for (const [content, solution, wanted] of random.mcq)
      expect(vlmR1.mcqReward(content, solution)).toBe(wanted);
    for (const [text, wanted] of random.clean) expect([text, vlmR1.cleanText(text)]).toEqual([text, wanted]);
    for (const [content, solution, wanted] of random.all)
      expect(vlmR1.allMatchReward(content, solution)).toBe(wanted);
    for (const [content, solution, wanted] of random.num) {
      expect([JSON.stringify([content, solution]), vlmR1.numericReward(content, solution)]).toEqual([
        JSON.stringify([content, solution]),
        wanted,
      ]);
    }
    for (const [content, solution, wanted] of random.default) {
      expectPublished(() => vlmR1.defaultAccuracyReward(content, solution), wanted, [content, solution]);
    }
  });

  test("formats", () => {
    for (const [text, rec, internVl, glm, plain] of random.fmt) {
      expect([text, vlmR1.formatRewardRec(text)]).toEqual([text, rec ? 1 : 0]);
      expect([text, vlmR1.formatRewardRecInternVl(text)]).toEqual([text, internVl ? 1 : 0]);
      expect([text, vlmR1.formatRewardRecGlm(text)]).toEqual([text, glm ? 1 : 0]);
      expect([text, vlmR1.formatReward(text)]).toEqual([text, plain ? 1 : 0]);
    }
  });

  test("boxes", () => {
    // The caller's `except` makes 0 of a division by zero.
    for (const [a, b, wanted] of random.iou)
      expectPublished(() => vlmR1.iou(a, b), typeof wanted === "string" ? 0 : wanted, [a, b]);
  });
});

test("digits of every script are read as Python reads them, a megabyte of them in under 100 ms", () => {
  expect(vlmR1.numericReward("<answer>٤٢</answer>", "<answer>42</answer>")).toBe(1);
  expect(vlmR1.numericReward("<answer>𝟜𝟚</answer>", "<answer>42</answer>")).toBe(1);
  expect(vlmR1.numericReward("<answer>४२.५</answer>", "<answer>42.5</answer>")).toBe(1);
  const sample = { id: "1", prompt: "", images: [], target: { solution: "<answer> [1, 2, 3, 4] </answer>" } };
  const rules = [vlmR1.numericReward, vlmR1.formatRewardRec, vlmR1.defaultAccuracyReward, vlmR1.iouRewardGlm];
  for (const part of ["٣", "٣ ", "٣a", "𝟘𝟙", "[١, ٢, ٣, ٤]"]) {
    const completion = `<think></think><answer>{${part.repeat(1_000_000 / part.length)}}</answer>`;
    for (const rule of rules) {
      const times = [0, 1, 2].map(() => {
        const start = process.cpuUsage();
        expect(vlmR1.published(rule)({ completion, sample })).toBeTypeOf("number");
        const { user, system } = process.cpuUsage(start);
        return (user + system) / 1000;
      });
      expect(Math.min(...times)).toBeLessThan(100);
    }
  }
});

describe("each bug beside its fixed twin", () => {
  const sample = <const T>(target: T) => ({
    id: "1",
    prompt: "",
    images: [{ width: 100, height: 100 }],
    target,
  });

  test("one pixel of overlap, and boxes in 0..1", () => {
    expect(vlmR1.iou([0.1, 0.1, 0.9, 0.9], [0.1, 0.1, 0.9, 0.9])).toBe(0);
    const input = {
      completion: "<answer>[0.1, 0.1, 0.9, 0.9]</answer>",
      sample: sample({ box: [0.1, 0.1, 0.9, 0.9] }),
    };
    expect(vlmR1.fixedIouReward()(input)).toBe(1);
  });

  test("a box of decimals", () => {
    const completion = "<answer>[10.5, 10, 20, 20]</answer>";
    expect(vlmR1.iouReward(completion, "<answer> [10.5, 10, 20, 20] </answer>")).toBe(0);
    expect(vlmR1.fixedIouReward()({ completion, sample: sample({ box: [10.5, 10, 20, 20] }) })).toBe(1);
  });

  test("a no inside another word, and two answers without yes or no", () => {
    expect(vlmR1.yesNoReward("<answer>I do not know</answer>", "<answer>no</answer>")).toBe(1);
    expect(
      vlmR1.fixedYesNoReward()({
        completion: "<answer>I do not know</answer>",
        sample: sample({ answer: "no" }),
      }),
    ).toBe(0);
    expect(vlmR1.yesNoReward("perhaps", "maybe")).toBe(1);
  });

  test("a letter in brackets", () => {
    expect(vlmR1.mcqReward("<answer>(A)</answer>", "<answer> A </answer>")).toBe(0);
    expect(
      vlmR1.fixedMcqReward()({ completion: "<answer>(A)</answer>", sample: sample({ answer: "A" }) }),
    ).toBe(1);
  });

  test("a matched box without a label crashes the original, scores 0 as a reward, and is a wrong label in the twin", () => {
    const content = '<answer>```json\n[{"bbox_2d": [10, 10, 60, 60]}]\n```</answer>';
    const solution = '<answer> ```json\n[{"bbox_2d": [10, 10, 60, 60], "label": "cat"}]\n``` </answer>';
    expect(() => vlmR1.weightedSumReward(content, solution)).toThrow(/UnboundLocalError/);
    const reward = vlmR1.published(vlmR1.weightedSumReward);
    expect(reward({ completion: content, sample: sample({ solution }) })).toBe(0);
    const objects = [{ box: [10, 10, 60, 60] as const, label: "cat" }];
    expect(vlmR1.fixedWeightedSumReward()({ completion: content, sample: sample({ objects }) })).toBeCloseTo(
      0.3,
      12,
    );
  });

  test("the length reward ignores correctness and turns around past 1024 tokens", () => {
    expect(vlmR1.cosineReward(0)).toBe(1);
    expect(vlmR1.cosineReward(1024)).toBeCloseTo(0.5, 12);
    expect(vlmR1.cosineReward(2048)).toBeCloseTo(1, 12);
  });

  test("boxes of unknown labels are free in mAP and cost in odLength", () => {
    const truth = '[{"bbox_2d": [10, 10, 60, 60], "label": "cat"}';
    const solution = `<answer> \`\`\`json\n${truth}]\n\`\`\` </answer>`;
    const content = `<answer>\`\`\`json\n${truth}, {"bbox_2d": [0, 0, 9, 9], "label": "bird"}]\n\`\`\`</answer>`;
    expect(vlmR1.odReward(content, solution)).toBeCloseTo(1, 12);
    expect(vlmR1.odLengthReward(content, solution)).toBeCloseTo(0.5, 12);
  });
});

describe("published rules as rewards", () => {
  const sample = {
    id: "41",
    prompt: "",
    images: [{ width: 640, height: 480 }],
    target: { solution: "<answer> [20, 10, 220, 110] </answer>" },
  };

  test("the Qwen module's boxes are rescaled from the input to the original", () => {
    const reward = vlmR1.publishedIou(() => ({
      input: { width: 320, height: 240 },
      original: { width: 640, height: 480 },
    }));
    expect(reward({ completion: "<answer>[10, 5, 110, 55]</answer>", sample })).toBe(1);
  });

  test("a malformed solution throws with the sample's id or the solution in the message", () => {
    const reward = vlmR1.published(vlmR1.odReward);
    expect(() =>
      reward({ completion: "<answer>x</answer>", sample: { ...sample, target: {} as { solution: string } } }),
    ).toThrowErrorMatchingInlineSnapshot(
      `[VlmR1Error: Sample "41": target.solution must be text such as "<answer> A </answer>", got nothing.]`,
    );
    expect(() => vlmR1.iouReward("<answer>[1, 2, 3, 4]</answer>", "<answer> 5 </answer>")).toThrow(
      /must be "<answer> \[x1, y1, x2, y2\]/,
    );
    expect(() => vlmR1.odReward("<answer>x</answer>", "no tags")).toThrow(/must hold an <answer>/);
  });
});
