import { expect, test } from "vitest";
import { rewardNames } from "../../src/scaffold/reward-names.ts";

test("derives every name from the package's", () => {
  expect(rewardNames("@me/short-answers")).toEqual({
    name: "@me/short-answers",
    file: "short-answers",
    key: "shortAnswers",
    factory: "shortAnswersReward",
    Options: "ShortAnswersOptions",
  });
  expect(rewardNames("my-reward")).toMatchObject({ file: "my-reward", key: "my", factory: "myReward" });
  expect(rewardNames("reward").factory).toBe("myReward");
});

test("refuses what npm would refuse", () => {
  for (const name of ["", "My Reward", "../x", "1st", "@me", "a/b/c", "x-"]) {
    expect(() => rewardNames(name)).toThrow(/must be an npm name/);
  }
});
