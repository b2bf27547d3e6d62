// Detection: every object that is asked for, scored by average precision that surplus boxes cost.
import { createRng, thousand } from "@vlmr1/core";
import { drawScenes } from "@vlmr1/data";
import { openEngine } from "@vlmr1/engine";
import { adamW, dapoLoss, finetune, train } from "@vlmr1/grpo";
import { createModel, createPolicy, nano } from "@vlmr1/model";
import { ap50Reward, audit, odLengthReward, weightedSum } from "@vlmr1/rewards";

const rng = createRng(0);
const frame = thousand;
const scenes = drawScenes({ rng: rng.fork("scenes"), length: 32, task: "detection", answerFrame: frame });
const score = weightedSum({ detection: odLengthReward({ frame }), ap50: [0.5, ap50Reward({ frame })] });

// Before training: what would a cheat earn?
const samples = await Promise.all([0, 1, 2, 3].map((index) => scenes.get(index)));
for (const { exploit, earned, honest } of await audit(score, { samples, frame })) {
  console.log(`${exploit}: earns ${earned.toFixed(2)}, an honest answer ${honest.toFixed(2)}`);
}

const engine = await openEngine();
const model = await createModel(nano(), { engine, rng: rng.fork("weights") });
const policy = await createPolicy(model, { train: "language" });
const optimizer = adamW();

const form = { steps: 1, batchSize: 4, maxAnswerTokens: 96, learningRate: 1e-3 };
for await (const { metrics } of finetune({ policy, dataset: scenes, optimizer, config: form })) {
  console.log(`imitation: loss ${metrics["policy/loss"]?.toFixed(3)}`);
}
const config = { steps: 1, promptsPerStep: 2, groupSize: 2, maxNewTokens: 16 };
const loss = dapoLoss({ clipHigh: 0.28, beta: 0 });
for await (const { metrics } of train({ policy, dataset: scenes, score, loss, optimizer, config })) {
  console.log(`reinforcement: reward ${metrics["reward/mean"]?.toFixed(3)}`);
}
await model.dispose();
await engine.dispose();
