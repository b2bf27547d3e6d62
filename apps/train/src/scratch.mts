import { createRng, thousand, pixels, VlmR1Error } from "@vlmr1/core";
import { openEngine } from "@vlmr1/engine";
import { loadModel, createPolicy } from "@vlmr1/model";
import { drawScenes } from "@vlmr1/data";
import { train, adamW } from "@vlmr1/grpo";
import { evaluate } from "@vlmr1/eval";
import { iouReward, iouAtLeast, formatReward, weightedSum } from "@vlmr1/rewards";
const engine = await openEngine({ threads: 2 });
const model = await loadModel(process.argv[2]!, { engine });
const rng = createRng(1);
const data = drawScenes({
  rng: rng.fork("train"),
  length: 10000,
  answerFrame: thousand,
  everyWordNeeded: false,
});
const held = drawScenes({
  rng: rng.fork("held"),
  length: 500,
  answerFrame: thousand,
  everyWordNeeded: false,
});
const s = await data.get(0);
console.log(
  s.prompt,
  s.answer,
  model.tokenize(s.answer!).length,
  model.tokenize(s.prompt).map((i) => model.tokenizer.token(i)),
);
const policy = await createPolicy(model, { train: "language" });
let t = performance.now();
const ev = async () => {
  const t = performance.now();
  const r = await evaluate({
    model: policy,
    dataset: held,
    metrics: { acc: iouAtLeast(0.5, { frame: thousand }), iou: iouReward({ frame: thousand }) },
    rng: createRng(0),
    batchSize: 125,
    maxNewTokens: 32,
  });
  console.log("eval", r.totals, ((performance.now() - t) / 1000).toFixed(1) + "s");
  console.log(r.rows.slice(0, 3).map((x) => x.completions[0]!.text));
};
await ev();
for await (const r of train({
  policy,
  dataset: data,
  score: weightedSum({ iou: iouAtLeast(0.5, { frame: thousand }), format: formatReward() }),
  optimizer: adamW({
    betas: [0.9, 0.99],
    weightDecay: 0,
    rates: { "model.language_model.embed_tokens.weight": 9.8, "model.language_model.norm.weight": 0.102 },
  }),
  config: {
    steps: Number(process.argv[3] ?? 50),
    learningRate: 2e-4,
    maxNewTokens: 32,
    measureKlEvery: 10,
    checkpointEvery: 0,
  },
})) {
  if (r.step % 10 === 0 || r.step < 4)
    console.log(
      r.step,
      r.metrics["reward/mean"]?.toFixed(3),
      r.metrics["reward/iou"]?.toFixed(3),
      r.metrics["policy/kl"]?.toFixed(4),
      r.metrics["completion/length"],
      JSON.stringify(
        Object.fromEntries(Object.entries(r.seconds).map(([k, v]) => [k, +(v * 1000).toFixed(0)])),
      ),
    );
}
await ev();
await model.dispose();
await engine.dispose();
