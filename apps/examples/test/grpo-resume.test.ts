import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRng } from "@vlmr1/core";
import { drawScenes } from "@vlmr1/data";
import { openEngine } from "@vlmr1/engine";
import { grpoLoss, train, type StepReport, type TrainOptions } from "@vlmr1/grpo";
import { createModel, createPolicy, nano } from "@vlmr1/model";
import { expect, test } from "vitest";

/** A run of nano with fresh weights, in an engine of its own as after a restart, up to step `stop`. */
async function run(stop: number, directory?: string) {
  const engine = await openEngine();
  const rng = createRng(5);
  const model = await createModel(nano(), { engine, rng: rng.fork("weights") });
  const policy = await createPolicy(model, { train: "language" });
  const options: TrainOptions<unknown> = {
    policy,
    dataset: drawScenes({ rng: rng.fork("scenes"), length: 12 }),
    score: async ({ completion }) => ({ total: completion.split(" ").length, scores: {} }),
    loss: grpoLoss({ beta: 0.1 }),
    config: {
      steps: 6,
      promptsPerStep: 2,
      groupSize: 4,
      maxNewTokens: 6,
      learningRate: 2e-3,
      iterations: 2,
      referenceSync: { every: 2, mix: 0.5 },
      skipZeroVarianceGroups: false,
    },
    ...(directory !== undefined && { directory, resume: true }),
  };
  const reports: Pick<StepReport, "step" | "metrics">[] = [];
  for await (const { step, metrics } of train(options)) {
    reports.push({ step, metrics });
    if (step === stop) break;
  }
  const state = await policy.snapshot();
  await engine.dispose();
  return { reports, state };
}

test("a real model that is stopped and resumed in a new engine ends with the same bits", async () => {
  const directory = await mkdtemp(join(tmpdir(), "vlmr1-resume-"));
  try {
    const whole = await run(6);
    const first = await run(3, directory);
    const rest = await run(6, directory);
    expect([...first.reports, ...rest.reports]).toEqual(whole.reports);
    expect(Object.keys(rest.state).toSorted()).toEqual(Object.keys(whole.state).toSorted());
    const bytes = (values: Float32Array | undefined) =>
      Buffer.from((values?.buffer ?? new ArrayBuffer(0)) as ArrayBuffer);
    for (const name of Object.keys(whole.state)) {
      expect(bytes(rest.state[name]).equals(bytes(whole.state[name]))).toBe(true);
    }
  } finally {
    await rm(directory, { recursive: true });
  }
}, 120_000);
