import type { Estimate, RecordedPrompt, RunEvent, RecordedCompletion } from "../src/run/events.ts";

// A small finished run, as the app would record it. The picture is a real 8 x 8 PNG.
const url =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAGklEQVR42mN4/fohVsRwwkYDjmglgdNykiUATNGVEXpM2LUAAAAASUVORK5CYII=";

const estimate = (value: number): Estimate => ({ value, low: value - 0.02, high: value + 0.02, count: 1000 });

const completion = (shift: number): RecordedCompletion => {
  const total = Math.max(0, 1 - shift / 4);
  return {
    text: `<think> red key </think> <answer> {"bbox_2d":[${shift}, 1, ${shift + 4}, 5]} </answer>`,
    total,
    rewards: { iou: total, format: 1 },
    advantage: 0.5 - shift / 4,
    tokens: 18,
    truncated: false,
    boxes: [[shift, 1, shift + 4, 5]],
  };
};

const example = (index: number, shift: number): RecordedPrompt => ({
  id: `scene-${index}`,
  prompt: ["the red key", "the second star from the left"][index % 2] as string,
  group: ["attribute", "ordinal"][index % 2] as string,
  picture: { url, width: 8, height: 8 },
  truth: [[0, 1, 4, 5]],
  completions: [completion(shift), completion(shift / 2)],
});

const evaluation = (step: number, accuracy: number, shift: number): RunEvent => ({
  kind: "evaluation",
  step,
  name: step === 0 ? "before" : "after",
  metrics: { accuracy: estimate(accuracy), "mean IoU": estimate(accuracy - 0.1) },
  groups: { attribute: { accuracy: estimate(accuracy) }, ordinal: { accuracy: estimate(accuracy - 0.05) } },
  examples: Array.from({ length: 8 }, (_, index) => example(index, shift)),
});

const steps: RunEvent[] = Array.from({ length: 60 }, (_, step) => ({
  kind: "step",
  step: step + 1,
  steps: 60,
  seconds: (step + 1) / 4,
  metrics: {
    "reward/mean": 0.5 + step / 400,
    "reward/iou": 0.4 + step / 400,
    "reward/format": 1,
    "policy/kl": step / 6000,
  },
}));

export const exampleRun: readonly RunEvent[] = [
  {
    kind: "start",
    title: "nano learns to point",
    command: "vlmr1 demo --seed 1",
    steps: 60,
    config: { seed: 1, grpo: { groupSize: 8 } },
    facts: { Model: "nano", Rewards: "IoU ≥ 0.5, format" },
  },
  evaluation(0, 0.5, 3),
  ...steps,
  { kind: "rollout", step: 60, prompts: [example(0, 1), example(1, 2)] },
  evaluation(60, 0.62, 1),
  { kind: "end", step: 60, seconds: 15, outcome: "done" },
];
