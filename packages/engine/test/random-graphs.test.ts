import { afterAll, beforeAll, expect, test } from "vitest";
import { openEngine, type Engine } from "../src/index.ts";
import { deviceUnderTest } from "./contract/devices.ts";
import { compareRandomGraphs } from "./contract/compare-random-graphs.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine(deviceUnderTest);
});
afterAll(async () => engine.dispose());

// All 10,000 run with `test:soak`.
test("200 random expressions and their gradients equal TensorFlow.js's cpu backend", async () => {
  expect(await compareRandomGraphs(engine, 200, 20, 1)).toEqual([]);
}, 900_000);
