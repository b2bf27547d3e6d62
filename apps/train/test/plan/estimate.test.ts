import { expect, test } from "vitest";
import { RunConfig } from "../../src/config/run-config.ts";
import { decide } from "../../src/plan/decide.ts";
import { estimate, estimateText, modelSize } from "../../src/plan/estimate.ts";

const plan = async (config: unknown, command: "grpo" | "sft" = "grpo") => {
  const parsed = RunConfig.parse(config);
  return estimate(await decide(command, parsed), {
    size: modelSize(parsed),
    samples: 1000,
    heldOutSamples: 10,
  });
};

test("the arithmetic of batches is exact", async () => {
  const { completionsPerStep, microBatches, updatesPerStep, epochs, steps } = await plan({
    grpo: {
      steps: 100,
      promptsPerStep: 10,
      groupSize: 4,
      promptsPerMicroBatch: 4,
      minibatches: 2,
      iterations: 3,
    },
  });
  expect({ completionsPerStep, microBatches, updatesPerStep, epochs, steps }).toEqual({
    completionsPerStep: 40,
    microBatches: 3,
    updatesPerStep: 6,
    epochs: 1,
    steps: 100,
  });
});

test("parameters are counted from the configuration of the model alone", async () => {
  const all = await plan({ train: "all" });
  expect(all.trainedParameters).toBe(all.parameters);
  expect(all.parameters).toBeGreaterThan(800_000);
  const language = (await plan({ train: "language" })).trainedParameters;
  expect(language).toBeLessThan(all.parameters);
  // Rank r adds r x (in + out) to each linear layer: twice the rank, twice the parameters.
  const lora = async (rank: number) => (await plan({ train: "lora", lora: { rank } })).trainedParameters;
  expect(await lora(8)).toBe(2 * (await lora(4)));
});

test("memory names what each option costs: a reference only with a KL term, moments by the optimizer", async () => {
  const memory = async (config: object) => (await plan(config)).memory;
  const full = await memory({ train: "all" });
  expect(full.reference).toBe(full.weights);
  expect((await memory({ train: "all", lossOptions: { beta: 0 } })).reference).toBe(0);
  expect((await memory({ train: "all", loss: "cispo" })).reference).toBe(0); // a variant whose own beta is 0
  expect(full.training).toBe(3 * full.weights); // gradient and Adam's two moments
  const sgd = (momentum: number) =>
    memory({ train: "all", optimizer: "sgd", optimizerOptions: { momentum } });
  expect((await sgd(0.9)).training).toBe(2 * full.weights);
  expect((await sgd(0)).training).toBe(full.weights);
  const fewer = (await memory({ grpo: { promptsPerMicroBatch: 4 } })).activations;
  expect((await memory({ grpo: {} })).activations).toBe(4 * fewer);
});

test("time is unknown until it is measured", async () => {
  expect(estimateText(await plan({}))).toContain("unknown until a step has run");
  const config = RunConfig.parse({ grpo: { steps: 60 } });
  const inputs = { samples: 10, heldOutSamples: 0, size: modelSize(config), secondsPerStep: 2 };
  const text = estimateText(estimate(await decide("grpo", config), inputs));
  expect(text).toContain("about 2 min 0 s at 2.00 s a step");
});
