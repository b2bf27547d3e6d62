import { expect, test } from "vitest";
import { reasoningAccuracy, sameAnswer } from "../src/statistics.ts";

test("right answers are counted over all questions, unread ones as wrong", () => {
  const pairs = [
    { answer: "B", truth: "b" },
    { answer: "7.0", truth: "7" },
    { answer: "seven", truth: "7" },
    { answer: undefined, truth: "" },
  ];
  expect(reasoningAccuracy(pairs)).toEqual({ accuracy: 0.5, correct: 2, total: 4, unanswered: 1 });
});

test("what right means can be one's own rule", () => {
  const isCorrect = (answer: string, truth: string): boolean => answer.includes(truth);
  expect(reasoningAccuracy([{ answer: "it is a cat", truth: "cat" }], { isCorrect }).accuracy).toBe(1);
});

test.each([
  ["Yes.", "yes", true],
  [" 1e3 ", "1000", true],
  ["-0", "0", true],
  ["", "0", false],
  ["nan", "NaN", true],
  ["12", "1 2", false],
])("%j and %j: %s", (answer, truth, same) => {
  expect(sameAnswer(answer, truth)).toBe(same);
});

test("an average of nothing is refused", () => {
  expect(() => reasoningAccuracy([])).toThrowErrorMatchingInlineSnapshot(
    `[VlmR1Error: There is nothing to average: give at least one answer with its truth.]`,
  );
});
