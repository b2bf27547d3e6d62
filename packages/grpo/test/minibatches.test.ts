import { describe, expect, test } from "vitest";
import {
  batchTotals,
  splitByLength,
  splitEvenly,
  groupsToTrain,
  type BatchGroup,
} from "../src/rollout/minibatches.ts";

const group = (id: number, length: number, isZeroVariance = false): BatchGroup => ({
  sample: { id: String(id), prompt: "", images: [], target: null },
  completions: [{ tokenIds: Array.from({ length }, () => 1) }],
  advantages: [isZeroVariance ? 0 : 1],
  tokenMasks: [Array.from({ length }, () => 1)],
  isZeroVariance,
});
const ids = (groups: readonly BatchGroup[]) => groups.map(({ sample }) => Number(sample.id));

describe("groupsToTrain", () => {
  const groups = Array.from({ length: 16 }, (_, i) => group(i, 3, i % 3 !== 0)); // 6 of 16 teach

  test("keeps all that teach, and fills up to a quarter of a micro-batch so that few batch sizes occur", () => {
    const kept = groupsToTrain(groups, true, 16);
    expect(kept).toHaveLength(8);
    expect(ids(kept)).toEqual(expect.arrayContaining([0, 3, 6, 9, 12, 15]));
    const sizes = new Set(
      Array.from({ length: 17 }, (_, teaching) => {
        const some = Array.from({ length: 16 }, (__, i) => group(i, 3, i >= teaching));
        return groupsToTrain(some, true, 16).length;
      }),
    );
    expect([...sizes]).toEqual([0, 4, 8, 12, 16]);
  });

  test("keeps the order, keeps everything without skipping, and nothing when nothing teaches", () => {
    const kept = ids(groupsToTrain(groups, true, 16));
    expect(kept).toEqual(kept.toSorted((a, b) => a - b));
    expect(groupsToTrain(groups, false, 16)).toEqual(groups);
    expect(groupsToTrain([group(0, 1, true)], true, 16)).toEqual([]);
  });
});

describe("cutting", () => {
  test("evenly: every item once, sizes differ by one at most", () => {
    expect(splitEvenly([1, 2, 3, 4, 5, 6, 7], 3)).toEqual([
      [1, 2, 3],
      [4, 5],
      [6, 7],
    ]);
    expect(splitEvenly([1], 2)).toEqual([[1], []]);
  });

  test("by length: like lengths together, ties in order, nothing for nothing", () => {
    const groups = [group(0, 2), group(1, 9), group(2, 8), group(3, 2), group(4, 9)];
    expect(splitByLength(groups, 2).map(ids)).toEqual([[1, 4], [2, 0], [3]]);
    expect(splitByLength(groups, 9).map(ids)).toEqual([[0, 1, 2, 3, 4]]);
    expect(splitByLength([], 2)).toEqual([]);
  });

  test("totals count every completion and every counting token", () => {
    const masked = { ...group(1, 3), tokenMasks: [[1, 1, 0]] };
    expect(batchTotals([group(0, 4), masked], 32)).toEqual({ completions: 2, tokens: 6, maxNewTokens: 32 });
  });
});
