import { expect, test } from "vitest";
import { RunConfig } from "../../src/config/run-config.ts";
import { estimate, estimateText, modelSize } from "../../src/plan/estimate.ts";

const plan = (config: unknown, command: "grpo" | "sft" = "grpo") => {
  const parsed = RunConfig.parse(config);
  return estimate({
    config: parsed,
    command,
    size: modelSize(parsed),
    samples: 1000,
    heldOutSamples: 10,
    rewards: ["iou"],
  });
};

test("the arithmetic of batches is exact", () => {
  const { completionsPerStep, microBatches, updatesPerStep, epochs, steps } = plan({
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

test("parameters are counted from the configuration of the model alone", () => {
  const all = plan({ train: "all" });
  expect(all.trainedParameters).toBe(all.parameters);
  expect(all.parameters).toBeGreaterThan(800_000);
  const language = plan({ train: "language" }).trainedParameters;
  expect(language).toBeLessThan(all.parameters);
  // Rank r adds r x (in + out) to each linear layer: twice the rank, twice the parameters.
  const lora = (rank: number) => plan({ train: "lora", lora: { rank } }).trainedParameters;
  expect(lora(8)).toBe(2 * lora(4));
});

test("memory names what each option costs: a reference only with a KL term, moments by the optimizer", () => {
  const full = plan({ train: "all" }).memory;
  expect(full.reference).toBe(full.weights);
  expect(plan({ train: "all", lossOptions: { beta: 0 } }).memory.reference).toBe(0);
  expect(full.training).toBe(3 * full.weights); // gradient and Adam's two moments
  expect(plan({ train: "all", optimizer: "sgd" }).memory.training).toBe(2 * full.weights);
  const fewer = plan({ grpo: { promptsPerMicroBatch: 4 } }).memory.activations;
  expect(plan({ grpo: {} }).memory.activations).toBe(4 * fewer);
});

test("time is unknown until it is measured", () => {
  expect(estimateText(plan({}))).toContain("unknown until a step has run");
  const config = RunConfig.parse({ grpo: { steps: 60 } });
  const inputs = {
    config,
    command: "grpo" as const,
    samples: 10,
    heldOutSamples: 0,
    rewards: ["iou"],
    size: modelSize(config),
  };
  expect(estimateText(estimate({ ...inputs, secondsPerStep: 2 }))).toContain(
    "about 2 min 0 s at 2.00 s a step",
  );
});
