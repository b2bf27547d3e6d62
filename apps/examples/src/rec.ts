// Referring expressions: a model learns to point, from the overlap of boxes alone.
import { createRng, thousand } from "@vlmr1/core";
import { drawScenes } from "@vlmr1/data";
import { openEngine } from "@vlmr1/engine";
import { evaluate } from "@vlmr1/eval";
import { adamW, train } from "@vlmr1/grpo";
import { createModel, createPolicy, nano } from "@vlmr1/model";
import { formatReward, iouReward, weightedSum } from "@vlmr1/rewards";

const rng = createRng(0);
const engine = await openEngine();
const model = await createModel(nano(), { engine, rng: rng.fork("weights") }); // or loadModel("./Qwen2.5-VL-3B-Instruct", { engine })
const policy = await createPolicy(model, { train: "language" });

const frame = thousand; // what the numbers of a box mean in the answers of this model
const scenes = drawScenes({ rng: rng.fork("scenes"), length: 64, answerFrame: frame });
const score = weightedSum({ iou: iouReward({ frame }), format: [0.5, formatReward()] });
const config = { steps: 2, promptsPerStep: 2, groupSize: 2, maxNewTokens: 8, learningRate: 4e-4 };

for await (const { step, metrics } of train({ policy, dataset: scenes, score, optimizer: adamW(), config })) {
  console.log(`step ${step}: reward ${metrics["reward/mean"]?.toFixed(3)}`);
}

const held = drawScenes({ rng: rng.fork("held-out"), length: 4 });
const metrics = { "mean IoU": iouReward({ frame }) };
const report = await evaluate({ model: policy, dataset: held, metrics, rng, maxNewTokens: 8 });
console.log("held-out mean IoU", report.totals["mean IoU"]?.mean);
await model.dispose();
await engine.dispose();
