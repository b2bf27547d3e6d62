import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { mathEqual, mathReward } from "../../src/index.ts";

function fixture<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../fixtures/${name}`, import.meta.url), "utf8")) as T;
}

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
  ["**73**", "73"],
  ["__73__", "73"],
  ["Thus, **Answer:** $\\frac{1}{2}$", "0.5"],
  ["\\boxed 5", "5"],
  ["\\boxed{5} and \\boxed{6}", "5, 6"],
  ["12:30", "12:30"],
  ["09:05", "9:05"],
  ["3:04 pm", "3:04 PM"],
  ["2:4", "1:2"],
  ["2:4:6", "1:2:3"],
  ["2^{2000}", "4^{1000}"],
  ["10^{400}+1", "1+10^{400}"],
  ["\\frac{2^{2001}}{2^{2000}}", "2"],
  ["\\frac{2006!}{2004!}", "2006*2005"],
  ["(x+1)^{500}", "(1+x)^{500}"],
  ["|x-1|", "|1-x|"],
  ["\\sqrt{x^2}", "|x|"],
  ["sin(x)^2", "\\sin^2 x"],
  ["\\sin(2x)", "2\\sin x\\cos x"],
  ["\\sin 30^\\circ", "0.5"],
  ["\\cos 60°", "\\frac12"],
  ["\\sin^{-1} 1", "\\frac{\\pi}{2}"],
  ["x²+1", "x^2+1"],
  ["2⁻¹", "0.5"],
  ["2½", "2.5"],
  ["⅔", "2/3"],
  ["\\binom{5}{2}", "10"],
  ["\\lfloor 2.7 \\rfloor", "2"],
  ["\\begin{vmatrix}1&2\\\\3&4\\end{vmatrix}", "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}"],
  ["\\begin{bmatrix}0.5\\\\1\\end{bmatrix}", "\\begin{pmatrix}\\frac12\\\\1\\end{pmatrix}"],
  ["\\{1\\}\\cup\\{2\\}", "\\{1,2\\}"],
  ["10 million", "10^7"],
  ["2.5 thousand", "2500"],
  ["£1,200", "1200"],
  ["12€", "12"],
  ["1 234 567", "1234567"],
  ["1\\,000", "1000"],
  ["twenty-one", "21"],
  ["x ≠ 3", "x\\neq 3"],
  ["g(x)=x+1", "x+1"],
  ["4 x 5", "20"],
  ["\\vec{AB}", "AB"],
  ["20 ℃", "20"],
  ["答案：12", "12"],
  ["3个", "3"],
  ["（１，２）", "(1,2)"],
  ["x = 2*3 = 6", "6"],
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
  ["12:30", "2:05"],
  ["12:30", "0.4"],
  ["3:04 am", "3:04 pm"],
  ["2^{2000}", "2^{2001}"],
  ["2^{-2000}", "2^{-2001}"],
  ["2^{-2000}", "0"],
  ["10^{400}", "\\infty"],
  ["1e400", "\\infty"],
  ["2^{100}", "2^{100}+1"],
  ["1/0", "\\infty"],
  ["\\frac{1}{2004!}", "\\frac{1}{2006!}"],
  ["|x|", "x"],
  ["\\sqrt{x^2}", "x"],
  ["sin(x)^2", "\\sin(x^2)"],
  ["\\sin 30", "\\sin 30^\\circ"],
  ["\\begin{pmatrix}1&2\\end{pmatrix}", "\\begin{pmatrix}1\\\\2\\end{pmatrix}"],
  ["\\boxed{5} or \\boxed{6}", "5"],
  ["\\boxed{5} or \\boxed{6}", "6"],
  ["10 million", "10 thousand"],
  ["1:2:3", "1:2:4"],
  ["x\\ne 3", "x=3"],
  ["f(x)=2x", "3x"],
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

  const { math: reported } = fixture<{ math: { truth: string; answer: string; equal: boolean }[] }>(
    "field-cases.json",
  );

  test.each(reported)("reported: $truth and $answer: $equal", ({ truth, answer, equal: wanted }) => {
    expect(mathEqual(answer, truth)).toBe(wanted);
  });

  const pairs =
    fixture<[kind: string, truth: string, answer: string, equal: boolean, mathVerify: boolean][]>(
      "math-pairs.json",
    );

  test("made pairs: all but one are judged right, and math-verify's verdict is shared where it is right", () => {
    expect(pairs.length).toBeGreaterThan(1500);
    const wrong = pairs.filter(([, truth, answer, wanted]) => mathEqual(answer, truth) !== wanted);
    expect(wrong.map(([, truth, answer]) => [truth, answer])).toEqual([["\\sqrt{-4}", "2i"]]);
  });

  test("no answer is right for two different truths", () => {
    const truths = ["4", "5", "0.8", "6", "1/2", "2", "x", "\\frac{4}{5}"];
    const answers = [
      "$4$: 5",
      "4 or 5",
      "4 = 5",
      "$4$ is 5",
      "\\boxed{4} or \\boxed{5}",
      "The answer is 4: 5",
      "x = 4, 5",
      "4, so 5",
    ];
    for (const answer of answers) {
      const right = truths.filter((truth) => mathEqual(answer, truth));
      for (const truth of right)
        expect([answer, truth, mathEqual(truth, right[0] as string)]).toEqual([answer, truth, true]);
    }
  });

  test("a wider tolerance accepts rounded answers", () => {
    expect(mathEqual("0.33", "1/3", 0.01)).toBe(true);
  });
});

test("reads the answer of a completion, and throws for a target that is no answer", () => {
  const sample = { id: "9", prompt: "", images: [], target: { answer: "\\frac{3}{4}" } };
  expect(mathReward()({ completion: "<think>3/5?</think><answer>x = 75\\%</answer>", sample })).toBe(1);
  expect(() => mathReward()({ completion: "", sample: { ...sample, target: { answer: " " } } })).toThrow(
    /not empty/,
  );
  expect(mathEqual("", "")).toBe(false);
  expect(() =>
    mathReward()({ completion: "", sample: { ...sample, target: { answer: Number.NaN } } }),
  ).toThrowErrorMatchingInlineSnapshot(
    `[VlmR1Error: Sample "9": target.answer must be a string or a finite number, got null.]`,
  );
});
