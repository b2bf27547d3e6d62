import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { train } from "../src/train.ts";
import { fakeDataset } from "./fake-dataset.ts";
import { plainPolicy } from "./plain-policy.ts";
import { trainerMilliseconds } from "./trainer-overhead.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;
const heap = () => {
  collectGarbage();
  collectGarbage();
  return process.memoryUsage().heapUsed;
};

test("memory stays within 2 % over 2,000 steps", async () => {
  const run = train({
    policy: plainPolicy({ prompts: 50 }),
    dataset: fakeDataset(50),
    score: async ({ completion }) => ({ total: completion.length, scores: { length: completion.length } }),
    config: {
      steps: 2200,
      promptsPerStep: 2,
      groupSize: 4,
      learningRate: 0.01,
      promptOrder: "difficulty",
      evaluateEvery: 100,
    },
    evaluate: async () => ({ accuracy: 0.5 }),
  });
  let settled = 0;
  for await (const { step } of run) if (step === 200) settled = heap();
  const grown = heap() / settled - 1;
  expect(grown).toBeLessThan(0.02);
}, 120_000);

// The goal is 3 % of nano's 150 ms (4.5 ms; 1.9 ms measured alone on a quiet machine): the soak test asks for it. Tests share their
// machine: here it is 20 ms.
test("at the size of nano the trainer's own work is small beside a step", async () => {
  expect(await trainerMilliseconds(120)).toBeLessThan(20);
}, 60_000);
