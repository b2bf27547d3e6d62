import { expect, test } from "vitest";
import {
  published,
  publishedAccuracy,
  mcqReward,
  odLengthReward,
  yesNoReward,
  type RowTarget,
} from "../../src/vlm-r1.ts";

const sampleOf = (rewardMethod: string, solution: string) => ({
  id: "row",
  prompt: "",
  images: [],
  target: { rewardMethod, solution } satisfies RowTarget,
});

test("each row is scored by the rule that it names, as if that rule were the only one", async () => {
  const accuracy = publishedAccuracy();
  const boxes = '```json\n[{"bbox_2d": [0, 0, 9, 9], "label": "cat"}]\n```';
  for (const [method, rule, solution, completions] of [
    ["mcq", mcqReward, "<answer> B </answer>", ["<answer> B </answer>", "<answer> C </answer>"]],
    ["yes_no", yesNoReward, "<answer> yes </answer>", ["<answer> Yes. </answer>", "<answer> no </answer>"]],
    [
      "odLength",
      odLengthReward,
      `<answer> ${boxes} </answer>`,
      [`<answer>${boxes}</answer>`, "<answer>None</answer>"],
    ],
  ] as const) {
    const sample = sampleOf(method, solution);
    const given = await Promise.all(completions.map(async (completion) => accuracy({ completion, sample })));
    const alone = await Promise.all(
      completions.map(async (completion) => published(rule)({ completion, sample })),
    );
    expect([method, given]).toEqual([method, alone]);
    expect(given).toEqual([expect.closeTo(1, 12), 0]);
  }
});

test("a rule that nobody knows is the data's mistake, and names those that there are", () => {
  const score = (method: string) => () =>
    publishedAccuracy()({ completion: "x", sample: sampleOf(method, "x") });
  expect(score("mqc")).toThrow(/row.*rewardMethod.*one of default, mcq, yes_no/);
  expect(score("llm")).toThrow(/judgeReward/);
});
