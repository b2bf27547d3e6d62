import { expect, test } from "vitest";
import { breakDown } from "../src/statistics.ts";

test("any metric is computed per group, in order of appearance, leaving out rows without a group", () => {
  const rows = [
    { kind: "b", value: 1 },
    { kind: "a", value: 5 },
    { kind: undefined, value: 100 },
    { kind: "b", value: 3 },
  ];
  const largest = (members: readonly { value: number }[]): number =>
    Math.max(...members.map(({ value }) => value));
  expect(breakDown(rows, ({ kind }) => kind, largest)).toEqual([
    { group: "b", count: 2, value: 3 },
    { group: "a", count: 1, value: 5 },
  ]);
});
