import { appendFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { train } from "../../src/train.ts";
import { plainPolicy } from "../plain-policy.ts";

/*
 * A training run in a process of its own, to be killed: node killed-run.ts DIRECTORY LOG STEPS [PADDING].
 * Appends one line of metrics a step, then the hash of the final weights. PADDING makes checkpoints large, so that kills hit writes.
 */
const [directory = "", log = "", steps = "0", padding = "0"] = process.argv.slice(2);
const policy = plainPolicy();
const dataset = {
  length: 6,
  get: async (index: number) => ({ id: String(index), prompt: "", images: [], target: null }),
};
const ballast = new Float32Array(Number(padding)).fill(1);

const run = train({
  policy: { ...policy, snapshot: async () => ({ ...(await policy.snapshot()), ballast }) },
  dataset,
  score: async ({ completion }) => ({
    total: completion.startsWith("b") ? 1 : 0.1 * completion.length,
    scores: {},
  }),
  config: {
    steps: Number(steps),
    promptsPerStep: 3,
    groupSize: 4,
    maxNewTokens: 3,
    learningRate: 0.05,
    promptOrder: "difficulty",
    iterations: 2,
    minibatches: 2,
    checkpointEvery: 1,
    keepCheckpoints: 2,
    bestMetric: "reward/mean",
    schedule: { shape: "inverse-sqrt", warmup: 2 },
    referenceSync: { every: 5, mix: 0.5 },
  },
  directory,
  resume: true,
});
for await (const { step, metrics } of run) appendFileSync(log, `${JSON.stringify({ step, metrics })}\n`);
const hash = createHash("sha256");
for (const [name, values] of Object.entries(await policy.snapshot()))
  hash.update(name).update(new Uint8Array(values.buffer));
appendFileSync(log, `${JSON.stringify({ done: hash.digest("hex") })}\n`);
