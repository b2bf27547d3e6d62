// A reasoning task: count things and write the number, with a rule for the number and one for the form.
import { createRng } from "@vlmr1/core";
import { drawScenes, r1vTemplate } from "@vlmr1/data";
import { openEngine } from "@vlmr1/engine";
import { evaluate } from "@vlmr1/eval";
import { drGrpoLoss, train } from "@vlmr1/grpo";
import { createModel, createPolicy, nano } from "@vlmr1/model";
import { countReward, formatReward, repetitionReward, weightedSum } from "@vlmr1/rewards";

const rng = createRng(1);
const questions = { rng: rng.fork("scenes"), task: "counting", prompt: r1vTemplate } as const;
const scenes = drawScenes({ ...questions, length: 32 });
const score = weightedSum({ count: countReward(), format: [0.5, formatReward()], loops: repetitionReward() });

const engine = await openEngine();
const model = await createModel(nano(), { engine, rng: rng.fork("weights") });
const policy = await createPolicy(model, { train: "lora", lora: { rank: 4, alpha: 8 } });

const config = { steps: 2, promptsPerStep: 2, groupSize: 2, maxNewTokens: 8, scale: "none" } as const;
const loss = drGrpoLoss({ beta: 0 });
for await (const { step, metrics } of train({ policy, dataset: scenes, score, loss, config })) {
  console.log(`step ${step}: reward ${metrics["reward/mean"]?.toFixed(3)}`);
}
const metrics = { right: countReward() };
const report = await evaluate({
  model: policy,
  dataset: scenes,
  metrics,
  rng,
  maxNewTokens: 8,
  batchSize: 16,
});
console.log("right", report.totals["right"]);
await model.dispose();
await engine.dispose();
