import { describe, expect, test } from "vitest";
import {
  boxRepetitionReward,
  cosineLengthReward,
  formatReward,
  repetitionReward,
  softOverlongReward,
  tagCountReward,
  taggedPartsReward,
  type FormatVariant,
} from "../../src/index.ts";

const sample = { id: "2", prompt: "", images: [], target: undefined };
const input = (completion: string, tokenCount?: number) => ({
  completion,
  sample,
  ...(tokenCount === undefined ? {} : { tokenCount }),
});

const formats: readonly (readonly [text: string, passing: readonly FormatVariant[]])[] = [
  ["<think>a</think><answer>b</answer>", ["strict", "vlm-r1", "trl", "perception-r1"]],
  ["<think>a</think>\n<answer>b</answer>", ["strict", "vlm-r1", "trl"]],
  ["<think>\na\n</think>\n<answer>\nb\n</answer>", ["strict", "vlm-r1", "trl", "open-r1"]],
  [" <think>a</think> <answer>b</answer>\n", ["strict"]],
  ["<think></think><answer></answer>", ["vlm-r1", "trl", "perception-r1"]],
  ["<think>a</think><answer>b</answer><answer>c</answer>", ["vlm-r1", "trl", "perception-r1"]],
  ["<think>a<think>b</think><answer>c</answer>", ["vlm-r1", "perception-r1"]],
  ["<think>a</think> b <answer>c</answer>", ["trl"]],
  ["<think>a</think>b", ["trl"]],
  ["x<think>a</think><answer>b</answer>", []],
  ["<think>a<answer>b</answer>", []],
  ["<answer>b</answer><think>a</think>", []],
  ["<think>a</think><answer>b", ["trl"]],
  ["", []],
];

describe("the think-answer format", () => {
  test.each(formats)("%j", (text, passing) => {
    for (const variant of ["strict", "vlm-r1", "open-r1", "trl", "perception-r1"] as const) {
      expect([variant, formatReward({ variant })(input(text))]).toEqual([
        variant,
        passing.includes(variant) ? 1 : 0,
      ]);
    }
  });

  test("slopes towards it", () => {
    expect(tagCountReward()(input("<think>a</think><answer>"))).toBe(0.75);
    expect(taggedPartsReward()(input("<think>a</think>"))).toBe(0.25);
    expect(taggedPartsReward()(input("<answer>a</answer>"))).toBe(0.75);
  });
});

describe("length", () => {
  test("the cosine reward equals TRL's numbers and stays where it is past the longest", () => {
    const correct = cosineLengthReward(() => 1, { maxLength: 100 });
    expect(correct(input("", 25))).toBeCloseTo(0.926_776_695_296_636_9, 12);
    expect(correct(input("", 75))).toBeCloseTo(0.573_223_304_703_363_1, 12);
    expect(correct(input("", 500))).toBe(0.5);
    expect(cosineLengthReward(() => 0, { maxLength: 100 })(input("", 50))).toBeCloseTo(-0.75, 12);
    expect(correct(input("word ".repeat(25)))).toBeCloseTo(0.926_776_695_296_636_9, 12);
  });

  test("the soft overlong punishment equals TRL's numbers", () => {
    const reward = softOverlongReward({ maxLength: 100, cache: 20 });
    expect([50, 90, 110].map((tokens) => reward(input("", tokens)))).toEqual([-0, -0.5, -1]);
    expect(() => softOverlongReward({ maxLength: 10, cache: 20 })).toThrow(/0 < cache <= maxLength/);
  });
});

describe("repetition", () => {
  test("is minus the share of repeated n-grams", () => {
    expect(repetitionReward({ ngram: 3 })(input("a b c a b c a b c"))).toBeCloseTo(-(1 - 3 / 7), 12);
    expect(repetitionReward({ ngram: 1 })(input("a a a a"))).toBeCloseTo(-0.75, 12);
    expect(repetitionReward({ ngram: 3 })(input("a b"))).toBe(0);
    expect(repetitionReward({ ngram: 2, maxPenalty: 0.5 })(input("a b a b"))).toBeCloseTo(-0.5 / 3, 12);
    expect(() => repetitionReward({ ngram: 0 })).toThrow(/positive integer/);
  });

  test("of boxes is minus the share of repeated boxes", () => {
    const box = '{"bbox_2d": [1, 2, 3, 4], "label": "cat"}';
    expect(boxRepetitionReward()(input(`[${box}, ${box}, ${box.replace("cat", "dog")}]`))).toBeCloseTo(
      -1 / 3,
      12,
    );
    expect(boxRepetitionReward()(input("no boxes"))).toBe(0);
  });
});
