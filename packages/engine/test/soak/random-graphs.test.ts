import { expect, test } from "vitest";
import { openEngine } from "../../src/index.ts";
import { compareRandomGraphs } from "../contract/compare-random-graphs.ts";

test("10,000 random expressions and their gradients equal TensorFlow.js's cpu backend", async () => {
  const engine = await openEngine({ threads: 2 });
  expect(await compareRandomGraphs(engine, 10_000, 20, 1)).toEqual([]);
  await engine.dispose();
});
