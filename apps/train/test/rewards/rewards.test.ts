import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RewardInput } from "@vlmr1/core";
import { afterEach, expect, test, vi } from "vitest";
import { checkTruth, loadReward, loadScore } from "../../src/rewards/load-reward.ts";
import { parseReward } from "../../src/rewards/reward-text.ts";

afterEach(() => vi.restoreAllMocks());

const sample = {
  id: "a",
  prompt: "the key",
  images: [{ width: 10, height: 10 }],
  target: { box: [0, 0, 10, 10] },
};
/** A completion whose box covers this share of the true one. */
const covering = (share: number, step?: number): RewardInput => ({
  completion: `<think> a </think> <answer> {"bbox_2d": [0, 0, ${10 * share}, 10]} </answer>`,
  sample,
  ...(step !== undefined && { step }),
});
const value = async (text: string, input: RewardInput): Promise<number> =>
  (await loadReward(parseReward(text), {}))(input);

test("a rule may have a number that follows the step, in a line or in stages", async () => {
  expect(await value("iou-at-least:0.7", covering(0.6))).toBe(0);
  expect(await value("iou-at-least:0.3..0.7@100", covering(0.6, 0))).toBe(1);
  expect(await value("iou-at-least:0.3..0.7@100", covering(0.6, 74))).toBe(1); // 0.596
  expect(await value("iou-at-least:0.3..0.7@100", covering(0.6, 76))).toBe(0); // 0.604
  expect(await value("iou-at-least:0.3..0.7@50-150", covering(0.6, 74))).toBe(1); // 0.396
  expect(await value("iou-at-least:0.5|0.7@100", covering(0.6, 99))).toBe(1);
  expect(await value("iou-at-least:0.5|0.7@100", covering(0.6, 100))).toBe(0);
});

test("a rule gives way to another, pays behind a gate, and is kept in a range", async () => {
  const text = "iou then iou-at-least:0.7 from 100";
  expect(await value(text, covering(0.6, 99))).toBeCloseTo(0.6, 12);
  expect(await value(text, covering(0.6, 100))).toBe(0);
  const unformed = { ...covering(0.6), completion: "[0, 0, 6, 10]" };
  expect(await value("iou if format", covering(0.6))).toBeCloseTo(0.6, 12);
  expect(await value("iou if format", unformed)).toBe(0);
  expect(await value("iou if format>=1 else -1", unformed)).toBe(-1);
  expect(await value("iou if format>=0", unformed)).toBeCloseTo(0.6, 12);
  expect(await value("iou clip 0.2 0.5", covering(0.6))).toBe(0.5);
});

test("weights follow the step too, and a name tells two uses of a rule apart", async () => {
  const score = await loadScore(
    ["0..1@100*iou", "2*iou-at-least:0.5 as coarse", "iou-at-least:0.9 as fine"],
    {},
  );
  expect(await score(covering(0.6, 50))).toMatchObject({
    total: 2.3,
    scores: { iou: 0.6, coarse: 1, fine: 0 },
  });
  await expect(loadScore(["iou", "0.5*iou"], {})).rejects.toThrow('"0.5*iou as NAME"');
});

test("what is not understood is named, with how it is written", async () => {
  const message = (text: string): Promise<string> =>
    value(text, covering(1)).then(
      () => "",
      (error: Error) => error.message,
    );
  expect(await message("half*iou")).toContain('"half" is no number');
  expect(await message("iou then format")).toContain("after then RULE comes from STEP");
  expect(await message("iou clip 0")).toContain("the upper limit must be a number");
  expect(await message("iou sometimes")).toContain('"sometimes" means nothing here');
  expect(await message("")).toContain("a rule is missing");
  expect(await message("iuo")).toContain('There is no reward named "iuo". Did you mean iou');
  expect(await message("format:2")).toBe("The reward format takes no number after its name.");
  expect(await message("numeric:0.1|0.2@5")).toContain(
    "The number of numeric (the relative tolerance) cannot follow",
  );
  expect(await message("judge")).toContain("--judge-url and --judge-model");
  expect(await message("clip 0 1 2")).not.toBe("");
});

test("a rule whose truth the data does not have is refused, behind a gate or in a later stage too", () => {
  expect(() => checkTruth(["vlm-r1/iou"], ["box"])).toThrow("The reward vlm-r1/iou compares with a solution");
  expect(() => checkTruth(["format if map"], ["box"])).toThrow(
    "compares with objects, but this data has a box",
  );
  expect(() => checkTruth(["iou then map from 10"], ["box"])).toThrow("Rewards that fit: iou, ");
  expect(() => checkTruth(["vlm-r1/iou", "iou", "0.5*format"], ["box", "solution"])).not.toThrow();
});

test("rewards of others are files or installed packages: with an import condition alone, and never a folder of that name", async () => {
  const folder = mkdtempSync(join(tmpdir(), "vlmr1-modules-"));
  const write = (path: string, text: string): void => {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  write(
    "node_modules/mine/package.json",
    '{"name": "mine", "exports": {".": {"import": "./index.js"}}, "type": "module"}',
  );
  write("node_modules/mine/index.js", "export const installed = () => 0.25;");
  write("mine/index.js", "export const local = () => 0.75;");
  write(
    "typed.ts",
    "export const typed: (input: { completion: string }) => number = ({ completion }) => completion.length;",
  );
  vi.spyOn(process, "cwd").mockReturnValue(folder);
  expect(await value("mine#installed", covering(1))).toBe(0.25);
  expect(await value(`${join(folder, "typed.ts")}#typed`, { ...covering(1), completion: "four" })).toBe(4);
  await expect(value("mine#local", covering(1))).rejects.toThrow(
    "mine exports no function local. It exports: installed.",
  );
  await expect(value("theirs#x", covering(1))).rejects.toThrow(
    "There is no package theirs here. Install it with npm install theirs",
  );
  await expect(value("./none.ts#x", covering(1))).rejects.toThrow("There is no file");
});
