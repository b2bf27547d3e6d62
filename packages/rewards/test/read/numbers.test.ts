import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { countReward, numericReward, readCount, readNumber } from "../../src/index.ts";

/** Answers taken from public bug reports, with the number that each one gives. */
const { number: reported } = JSON.parse(
  readFileSync(new URL("../fixtures/field-cases.json", import.meta.url), "utf8"),
) as { number: { answer: string; reads: number | null }[] };

test.each(reported)("$answer reads $reads", ({ answer, reads }) => {
  expect(readNumber(answer) ?? null).toBe(reads);
});

test.each<readonly [answer: string, reads: number | undefined]>([
  ["1.234.567", 1_234_567],
  ["1.234.567,8", 1_234_567.8],
  ["12 345", 12_345],
  ["1 234 567,5", 1_234_567.5],
  ["1\u202f234", 1234],
  ["1’000’000", 1_000_000],
  ["1.234", 1.234],
  ["12,345", 12_345],
  ["1,23", 23],
  ["0,75 m", 0.75],
  ["-0,5", -0.5],
  ["0,500", 0.5],
  ["１２．５", 12.5],
  ["−7", -7],
  ["–7", -7],
  ["minus 5", -5],
  ["negative 5", -5],
  ["-$5", -5],
  ["$-5", -5],
  ["10–12", 12],
  ["between 10 and 12", 12],
  ["5-3", 3],
  ["x = -3", -3],
  ["¾", 0.75],
  ["2½", 2.5],
  ["2 ½", 2.5],
  ["⅓", 1 / 3],
  ["1\\frac{1}{2}", 1.5],
  ["-\\frac{1}{2}", -0.5],
  ["\\dfrac{3}{4}", 0.75],
  ["\\frac34", 0.75],
  ["$\\frac{10}{4}$", 2.5],
  ["\\frac{x}{4}", undefined],
  ["3 1/4", 3.25],
  ["2/3 of it", 2 / 3],
  ["2 / 3", 2 / 3],
  ["2^{10}", 1024],
  ["2^10", 1024],
  ["2**10", 1024],
  ["10^{-3}", 0.001],
  ["1.2×10^3", 1200],
  ["1.2 × 10³", 1200],
  ["1.2 \\times 10^{3}", 1200],
  ["1.2x10^3", 1200],
  ["5²", 25],
  ["2\\pi", 2 * Math.PI],
  ["\\sqrt{16}", 4],
  ["5 cm²", 5],
  ["9.8 m/s^2", 9.8],
  ["3 thousand", 3000],
  ["2.5 billion", 2.5e9],
  ["5万", 50_000],
  ["3亿", 3e8],
  ["12 per cent", 0.12],
  ["12.5 pct", 0.125],
  ["7‰", 0.007],
  ["16:9", 16 / 9],
  ["1:2", 0.5],
  ["10:15", 15],
  ["10:15 am", 15],
  ["__5__", 5],
  ["***5***", 5],
  ["x_1", undefined],
  ["CO2", undefined],
  ["\\boxed{5} apples, see page 3", 5],
  ["so \\boxed 5", 5],
  ["2 + 3 = 5\n#### 5", 5],
  ["Answer: 5. I counted 3 red and 2 blue ones.", 5],
  ["The answer is 12, as 3 times 4 is 12.", 12],
  ["**Answer:** 73", 73],
  ["答案：5个", 5],
  ["共有5个苹果", 5],
  ["5\nConfidence: 95%", 5],
  ["5 (confidence 95%)", 5],
  ["5, and I am 95% sure", 5],
  ["Confidence: 95%", undefined],
  ["As figure 2 shows, 5", 5],
  ["5, as shown in figure 2", 5],
  ["about 5", 5],
  ["~5", 5],
  ["5.", 5],
  ["(−5)", -5],
  ["nothing", undefined],
])("%s reads %d", (answer, reads) => {
  if (reads === undefined) expect(readNumber(answer)).toBeUndefined();
  else expect(readNumber(answer)).toBeCloseTo(reads, 12);
});

const ask = (completion: string, answer: string | number) => ({
  completion,
  sample: { id: "6", prompt: "", images: [], target: { answer } },
});

test.each([
  "12:30",
  "10-12",
  "10–12",
  "1, 2",
  "5 apples and 3 pears",
  "2024-01-05",
  "3/0",
  "x1",
  "",
  "between 3 and 4",
])("a truth %s is no number", (truth) => {
  expect(() => numericReward()(ask("5", truth))).toThrow(/must be one number/);
});

test.each<readonly [truth: string, answer: string, reward: number]>([
  ["\\frac{3}{4}", "0.75", 1],
  ["\\frac{3}{4}", "4", 0],
  ["2^3", "8", 1],
  ["2^3", "3", 0],
  ["1 1/2", "1.5", 1],
  ["75 percent", "75%", 1],
  ["3:4", "0.75", 1],
  ["1.234,5", "1234.5", 1],
  ["12 cm", "12", 1],
  ["9.8 m/s^2", "9.8", 1],
  ["$1,200", "1200", 1],
  ["5 million", "5000000", 1],
])("the truth %s and %s: %d", (truth, answer, reward) => {
  expect(numericReward()(ask(answer, truth))).toBe(reward);
});

test.each<readonly [answer: string, reads: number | undefined]>([
  ["three", 3],
  ["twenty-one", 21],
  ["Twenty one.", 21],
  ["There are twenty-one cats.", 21],
  ["one hundred and five", 105],
  ["a hundred", 100],
  ["two thousand three hundred", 2300],
  ["three hundred thousand", 300_000],
  ["one million two hundred thousand and six", 1_200_006],
  ["a dozen", 12],
  ["half a dozen", 6],
  ["two dozen eggs", 24],
  ["nineteen hundred", 1900],
  ["one, two, three", 3],
  ["two three", 3],
  ["forty-two (42)", 42],
  ["one", 1],
  ["one cat", 1],
  ["no clue", undefined],
  ["I have no idea.", undefined],
  ["There is no way to tell.", undefined],
  ["none", 0],
  ["None.", 0],
  ["There are no cats.", 0],
  ["no one", 0],
  ["nobody is there", 0],
  ["zero", 0],
  ["One of them is a cat: two", 2],
  ["I see three, one of which is red", 3],
  ["three cats, one of them black", 3],
  ["There are three cats in picture 2.", 3],
  ["someone", undefined],
  ["often", undefined],
  ["三只猫", 3],
  ["十二个", 12],
  ["十二", 12],
  ["两个", 2],
  ["二十一", 21],
  ["一百零五", 105],
  ["三千二百", 3200],
  ["一万二千", 12_000],
  ["图中有三只猫。", 3],
  ["一起看", undefined],
  ["第三张图", undefined],
  ["没有猫", 0],
  ["5只", 5],
  ["３", 3],
  ["2.5", undefined],
  ["-3", undefined],
  ["3\nConfidence: 90%", 3],
])("%s counts %d", (answer, reads) => {
  expect(readCount(answer)).toBe(reads);
});

test("a truth in words or Chinese counts; what is no count is an error", () => {
  expect(countReward()(ask("21", "twenty-one"))).toBe(1);
  expect(countReward()(ask("1", "twenty-one"))).toBe(0);
  expect(countReward()(ask("12", "十二"))).toBe(1);
  expect(countReward()(ask("no clue", 0))).toBe(0);
  for (const truth of ["12:30", "2-3", "no clue", "2.5", "many"]) {
    expect(() => countReward()(ask("1", truth))).toThrow(/whole number/);
  }
});
