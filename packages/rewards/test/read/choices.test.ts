import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { readChoice, readYesNo } from "../../src/index.ts";

/** Answers taken from public bug reports, with what each one says. */
const reported = JSON.parse(
  readFileSync(new URL("../fixtures/field-cases.json", import.meta.url), "utf8"),
) as {
  choice: { answer: string; reads: string | null }[];
  yesNo: { answer: string; reads: boolean | null }[];
};

test.each(reported.choice)("$answer chooses $reads", ({ answer, reads }) => {
  expect(readChoice(answer) ?? null).toBe(reads);
});

test.each<readonly [answer: string, reads: string | undefined]>([
  ["The answer is A or B.", undefined],
  ["A or B", undefined],
  ["Either A or C", undefined],
  ["Both A and B", undefined],
  ["Answer: A and C", undefined],
  ["Answer: A, B", undefined],
  ["Answer: A/B", undefined],
  ["The correct options are A and D.", undefined],
  ["The answer could be B or D", undefined],
  ["Neither A nor B is right.", undefined],
  ["neither (A) nor (B)", undefined],
  ["Neither A nor B, so C", "C"],
  ["not A", undefined],
  ["It is not A, it is C.", "C"],
  ["It's not B but D", "D"],
  ["It isn't A. The answer is B.", "B"],
  ["The answer is not A but B", "B"],
  ["The answer is B, not A", "B"],
  ["A is wrong, B is right", "B"],
  ["A is not correct. B is.", "B"],
  ["The answer is B, and A is blue", "B"],
  ["The answer is B because A is blue.", "B"],
  ["I would choose option B.", "B"],
  ["Option (C)", "C"],
  ['The answer is "B".', "B"],
  ["The answer is `B`", "B"],
  ["__B__", "B"],
  ["*B*", "B"],
  ["_B._", "B"],
  ["（B）", "B"],
  ["【B】", "B"],
  ["［B］", "B"],
  ["Ｂ．", "B"],
  ["Ｂ：猫", "B"],
  ["ｂ", "B"],
  ["B、猫", "B"],
  ["答案：B", "B"],
  ["答案: B", "B"],
  ["答案为B", "B"],
  ["答案：（B）", "B"],
  ["选择B", "B"],
  ["选项B", "B"],
  ["应选B。", "B"],
  ["故选：C", "C"],
  ["正确答案是D。", "D"],
  ["我选B，因为A是蓝色的", "B"],
  ["选A或B", undefined],
  ["A和B", undefined],
  ["不是A，是B", "B"],
  ["不选A，选B", "B"],
  ["A不对，选C", "C"],
  ["\\boxed{\\text{C}}", "C"],
  ["$B$", "B"],
  ["<B>", "B"],
  ["I am not sure", undefined],
  ["I don't know", undefined],
  ["A dog and a cat", undefined],
  ["ABCD", undefined],
  ["变量x", undefined],
])("%s chooses %s", (answer, reads) => {
  expect(readChoice(answer)).toBe(reads);
});

test.each(reported.yesNo)("$answer says $reads", ({ answer, reads }) => {
  expect(readYesNo(answer) ?? null).toBe(reads);
});

test.each<readonly [answer: string, reads: boolean | undefined]>([
  ["是的", true],
  ["是的，有一只猫。", true],
  ["对", true],
  ["对的", true],
  ["有", true],
  ["正确", true],
  ["答案：是", true],
  ["答案是是", true],
  ["不是", false],
  ["不", false],
  ["不对", false],
  ["不是的，那是狗", false],
  ["没有猫", false],
  ["图中没有猫", false],
  ["否。", false],
  ["错误", false],
  ["无", false],
  ["答案：否", false],
  ["答案是没有", false],
  ["这是一只猫", undefined],
  ["猫", undefined],
  ["ＹＥＳ", true],
  ["ｎｏ", false],
  ["__yes__", true],
  ["Yes, it is.", true],
  ["It is true", true],
  ["That is not true.", false],
  ["false", false],
  ["no no no", false],
  ["yes or no", undefined],
  ["Yes and no", undefined],
  ["I have no idea", undefined],
  ["no clue", undefined],
  ["Yes, no doubt", true],
  ["I know", undefined],
  ["eyes", undefined],
  ["nothing", undefined],
  ["", undefined],
])("%s says %s", (answer, reads) => {
  expect(readYesNo(answer)).toBe(reads);
});
