// A rule of your own: a function from what the model wrote to a number. It needs no registration and no base class.
import { createRng, thousand, type RewardFunction } from "@vlmr1/core";
import { drawScenes } from "@vlmr1/data";
import { openEngine } from "@vlmr1/engine";
import { train } from "@vlmr1/grpo";
import { createModel, createPolicy, nano } from "@vlmr1/model";
import { gate, iouReward, schedule, weightedSum } from "@vlmr1/rewards";

/** 1 for the first 12 words, falling to 0 at 36. On the command line: `--reward iou,./src/custom-reward.ts#brevity`. */
export const brevity: RewardFunction = ({ completion }) => {
  const words = completion.split(/\s+/).filter((word) => word !== "").length;
  return Math.min(1, Math.max(0, (36 - words) / 24));
};

const iou = iouReward({ frame: thousand });
const score = weightedSum({
  iou,
  // Short answers count from the second step on, and only where the box is not far off.
  brevity: [
    schedule([
      [0, 0],
      [1, 0.2],
    ]),
    gate(iou, brevity, { atLeast: 0.1 }),
  ],
});

const rng = createRng(0);
const engine = await openEngine();
const model = await createModel(nano(), { engine, rng: rng.fork("weights") });
const policy = await createPolicy(model, { train: "language" });
const dataset = drawScenes({ rng: rng.fork("scenes"), length: 16 });
const config = { steps: 2, promptsPerStep: 2, groupSize: 2, maxNewTokens: 8 };
for await (const { metrics, groups } of train({ policy, dataset, score, config })) {
  console.log(metrics["reward/mean"], groups[0]?.completions[0]?.text);
}
await model.dispose();
await engine.dispose();
