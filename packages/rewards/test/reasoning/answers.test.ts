import { describe, expect, test } from "vitest";
import {
  allMatchReward,
  choiceReward,
  countReward,
  exactReward,
  numericReward,
  patternReward,
  readChoice,
  readNumber,
  readYesNo,
  similarityReward,
  yesNoReward,
} from "../../src/index.ts";

const ask = (completion: string, answer: string | number) => ({
  completion,
  sample: { id: "6", prompt: "", images: [], target: { answer } },
});

describe("the choice that a text makes", () => {
  test.each([
    ["B", "B"],
    ["b", "B"],
    ["(B)", "B"],
    ["B.", "B"],
    ["B) the cat", "B"],
    ["**B**", "B"],
    ["\\boxed{B}", "B"],
    ["Answer: B", "B"],
    ["The answer is B because A is blue.", "B"],
    ["I think the correct option is (C).", "C"],
    ["A is right", "A"],
    ["A cat", undefined],
    ["The answer is a dog", undefined],
    ["A, B, C", undefined],
    ["The answer is A. The answer is B.", undefined],
    ["I'm not sure", undefined],
    ["", undefined],
  ])("%j is %s", (text, choice) => {
    expect(readChoice(text)).toBe(choice);
  });
});

test("the last number of a text", () => {
  const cases: readonly (readonly [string, number | undefined])[] = [
    ["42", 42],
    ["There are 3 cats and 4 dogs.", 4],
    ["$1,234.50", 1234.5],
    ["75%", 0.75],
    ["3/4 of it", 0.75],
    ["-1.5e3", -1500],
    ["x1", undefined],
    ["1/0", undefined],
    ["12,34", 34],
    ["none", undefined],
  ];
  for (const [text, number] of cases) expect([text, readNumber(text)]).toEqual([text, number]);
});

test("yes and no are whole words, and both are none", () => {
  expect(["Yes.", "no!", "I do not know", "yes or no", "True"].map(readYesNo)).toEqual([
    true,
    false,
    undefined,
    undefined,
    true,
  ]);
});

test("rewards compare answers with targets", () => {
  expect(exactReward()(ask("<answer> A dog. </answer>", "A dog."))).toBe(1);
  expect(exactReward()(ask("a dog.", "A dog."))).toBe(0);
  expect(allMatchReward()(ask("<answer>No\n Defect..</answer>", "no defect"))).toBe(1);
  expect(similarityReward()(ask("the blue car", "the red car"))).toBeCloseTo(0.782_608_695_652_174, 12);
  expect(numericReward()(ask("<answer>3.0 cm</answer>", 3))).toBe(1);
  expect(numericReward({ absolute: 0.1 })(ask("3.05", 3))).toBe(1);
  expect(numericReward({ relative: 0.01 })(ask("3.05", 3))).toBe(0);
  expect(countReward()(ask("There are three cats.", 3))).toBe(1);
  expect(countReward({ partial: true })(ask("4", 3))).toBeCloseTo(2 / 3, 12);
  expect(countReward()(ask("none", 0))).toBe(1);
  expect(choiceReward()(ask("(b)", "B"))).toBe(1);
  expect(yesNoReward()(ask("No, it is not.", "no"))).toBe(1);
});

test("a pattern has no memory, whatever its flags", () => {
  const reward = patternReward(/\d+/g);
  expect([reward(ask("a 1", "")), reward(ask("a 1", "")), reward(ask("a", ""))]).toEqual([1, 1, 0]);
  expect(patternReward(/<think>/, { over: "completion" })(ask("<think>x</think>1", ""))).toBe(1);
});

test("targets of the wrong kind throw", () => {
  expect(() => choiceReward()(ask("A", "the cat"))).toThrowErrorMatchingInlineSnapshot(
    `[VlmR1Error: Sample "6": target.answer must be a choice such as "B", got "the cat".]`,
  );
  expect(() => yesNoReward()(ask("yes", "maybe"))).toThrow(/"yes" or "no"/);
  expect(() => numericReward()(ask("1", "one"))).toThrow(/one number/);
  expect(() => countReward()(ask("1", -1))).toThrow(/whole number/);
  expect(() => numericReward({ absolute: -1 })).toThrow(/must not be negative/);
});
