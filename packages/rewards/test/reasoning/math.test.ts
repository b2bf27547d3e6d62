import { describe, expect, test } from "vitest";
import { mathEqual, mathReward } from "../../src/index.ts";

const equal: readonly (readonly [string, string])[] = [
  ["0.5", "\\frac{1}{2}"],
  ["1/2", "\\frac12"],
  ["\\dfrac{1}{2}", ".5"],
  ["50\\%", "0.5"],
  ["50%", "50"],
  ["0.333333", "1/3"],
  ["1\\frac{1}{2}", "1.5"],
  ["1 1/2", "3/2"],
  ["1,234", "1234"],
  ["1.5\\times 10^{3}", "1500"],
  ["1e3", "1000"],
  ["2.0", "2"],
  ["\\sqrt{8}", "2\\sqrt{2}"],
  ["\\sqrt[3]{27}", "3"],
  ["√16", "4"],
  ["2\\pi", "6.283185"],
  ["\\frac{\\pi}{2}", "pi/2"],
  ["\\log_2 8", "3"],
  ["\\sin^2 x+\\cos^2 x", "1"],
  ["5!", "120"],
  ["|-3|", "3"],
  ["2x+3", "3+2x"],
  ["(x+1)^2", "x^2+2x+1"],
  ["2xy", "2 y x"],
  ["a^{2}b", "ba^2"],
  ["x_1 + x_2", "x_2+x_1"],
  ["x=5", "5"],
  ["5", "$x=5$"],
  ["y=2x+1", "2x-y+1=0"],
  ["90^\\circ", "90"],
  ["$5\\text{ cm}$", "5"],
  ["5 cm", "5"],
  ["5 cm", "0.05 m"],
  ["0.5 m", "50 cm"],
  ["1 hour", "60 minutes"],
  ["5 square meters", "5 m^2"],
  ["\\$12", "12"],
  ["3 cats", "3"],
  ["3:4", "3/4"],
  ["\\{1,2\\}", "\\{2,1\\}"],
  ["1,2", "\\{1,2\\}"],
  ["x=1 or x=2", "1,2"],
  ["\\pm 2", "\\{2,-2\\}"],
  ["x=1\\pm\\sqrt{2}", "1+\\sqrt2,1-\\sqrt2"],
  ["x>5", "(5,\\infty)"],
  ["1<x\\le 2", "(1,2]"],
  ["x \\in [1,2]", "[1,2]"],
  ["[1,2]\\cup[3,4]", "[3,4]\\cup[1,2]"],
  ["-\\infty", "-\\infty"],
  ["(1,2)", "( 1 , 2 )"],
  ["\\left(\\frac{1}{2},3\\right)", "(0.5,3)"],
  ["\\boxed{\\frac{3}{4}}", "0.75"],
  ["The answer is 42.", "42"],
  ["The answer is $\\frac{1}{2}$.", "1/2"],
  ["\\text{A}", "A"],
  ["a blue car", "A  blue car."],
];

const different: readonly (readonly [string, string])[] = [
  ["0.33", "1/3"],
  ["\\sqrt{2}", "1.41"],
  ["1000001", "1000000"],
  ["12", "1.2"],
  ["2", "-2"],
  ["5 cm", "5 m"],
  ["5 kg", "5 m"],
  ["x+1", "x+2"],
  ["3x", "3y"],
  ["y=2x", "y=3x"],
  ["1,2", "1,3"],
  ["(1,2)", "(2,1)"],
  ["[1,2]", "(1,2)"],
  ["x>5", "x>=5"],
  ["x>5", "x<5"],
  ["cat", "dog"],
  ["act", "cat"],
  ["A", "B"],
  ["", "5"],
  ["5", ""],
  ["1/0", "5"],
  ["\\{0, 1, 2, 3, 4, 5\\}", "3"],
];

describe("mathematical equality", () => {
  test.each(equal)("%s is %s, both ways", (a, b) => {
    expect(mathEqual(a, b)).toBe(true);
    expect(mathEqual(b, a)).toBe(true);
  });

  test.each(different)("%s is not %s, both ways", (a, b) => {
    expect(mathEqual(a, b)).toBe(false);
    expect(mathEqual(b, a)).toBe(false);
  });

  test("a wider tolerance accepts rounded answers", () => {
    expect(mathEqual("0.33", "1/3", 0.01)).toBe(true);
  });
});

test("reads the answer of a completion, and throws for a target that is no answer", () => {
  const sample = { id: "9", prompt: "", images: [], target: { answer: "\\frac{3}{4}" } };
  expect(mathReward()({ completion: "<think>3/5?</think><answer>x = 75\\%</answer>", sample })).toBe(1);
  expect(() =>
    mathReward()({ completion: "", sample: { ...sample, target: { answer: Number.NaN } } }),
  ).toThrowErrorMatchingInlineSnapshot(
    `[VlmR1Error: Sample "9": target.answer must be a string or a finite number, got null.]`,
  );
});
