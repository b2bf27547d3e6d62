import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Engine } from "../src/index.ts";
import { openEngine } from "../src/index.ts";
import { kernelTable } from "../src/kernels/kernel-table.ts";
import type { ContractCase } from "./contract/case.ts";
import { devices, knownFaults, otherDevice } from "./contract/devices.ts";
import { elementwiseCases } from "./contract/elementwise-cases.ts";
import { reductionCases } from "./contract/reduction-cases.ts";
import { compiled, distance, eager, gradients, values } from "./contract/run-case.ts";
import { structureCases } from "./contract/structure-cases.ts";
import { windowCases } from "./contract/window-cases.ts";

const groups: Readonly<Record<string, readonly ContractCase[]>> = {
  elementwise: elementwiseCases,
  structure: structureCases,
  reductions: reductionCases,
  windows: windowCases,
};

const seen = new Set<string>();

describe.each(devices)("device %s gives the numbers of TensorFlow.js's cpu backend", (_, options) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine(options);
  });
  afterAll(async () => {
    await engine.dispose();
  });

  describe.each(Object.entries(groups))("%s", (_, cases) => {
    const isFaulty = ({ name }: ContractCase): boolean =>
      options === otherDevice && knownFaults.includes(name);
    test.each(cases.filter((item) => !isFaulty(item)))("$name", checkCase);
    // A fault that is gone must leave the list.
    test.fails.each(cases.filter(isFaulty))("$name, which this build computes wrongly", checkCase);

    async function checkCase(item: ContractCase): Promise<void> {
      const wantGradient = item.gradient ?? item.operands.some(({ dtype }) => dtype === "float32");
      for (const call of wantGradient ? [values(item), gradients(item)] : [values(item)]) {
        const { outcomes, kernels } = await eager(call, item);
        kernels.forEach((kernel) => seen.add(kernel));
        const results = await compiled(engine, call, item);
        expect(results.length).toBe(outcomes.length);
        results.forEach((result, index) => {
          expect({ ...result, data: [] }).toEqual({
            shape: outcomes[index]!.shape,
            dtype: outcomes[index]!.dtype,
            data: [],
          });
          expect(distance(result, outcomes[index]!)).toBeLessThanOrEqual(item.tolerance ?? 2e-6);
        });
      }
    }
  });
});

test("every kernel that can be recorded, and that the cpu backend has, is covered by a case", () => {
  const known = new Set(tf.getKernelsForBackend("cpu").map(({ kernelName }) => kernelName));
  expect(Object.keys(kernelTable).filter((kernel) => known.has(kernel) && !seen.has(kernel))).toEqual([]);
});
