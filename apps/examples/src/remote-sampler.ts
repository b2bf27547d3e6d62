// Rollouts on another machine: any OpenAI-compatible server that returns token ids and log-probabilities answers, training stays here.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { createRng, thousand } from "@vlmr1/core";
import { drawScenes } from "@vlmr1/data";
import { openEngine } from "@vlmr1/engine";
import { createRemoteSampler, grpoLoss, train } from "@vlmr1/grpo";
import { createModel, createPolicy, nano } from "@vlmr1/model";
import { iouReward, weightedSum } from "@vlmr1/rewards";

// A stand-in for vLLM that answers everything with the same four tokens. Yours is: vllm serve MODEL --logprobs-mode processed_logprobs
const server = createServer((request, response) => {
  void text(request).then((body) => {
    const { n } = JSON.parse(body) as { n: number };
    const content = [7, 8, 9, 2].map((id) => ({ token: `token_id:${id}`, logprob: -2 }));
    const choices = Array.from({ length: n }, (_, index) => {
      return { index, finish_reason: "stop", message: { content: "a b c" }, logprobs: { content } };
    });
    response.end(JSON.stringify({ choices }));
  });
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;

const rng = createRng(0);
const engine = await openEngine();
const model = await createModel(nano(), { engine, rng: rng.fork("weights") });
const policy = await createPolicy(model, { train: "language" });
const sampler = createRemoteSampler({ url, model: "nano" });
const loss = grpoLoss({ samplerCorrection: { max: 2 } }); // another engine's numbers are never quite the policy's
const dataset = drawScenes({ rng: rng.fork("scenes"), length: 16 });
const score = weightedSum({ iou: iouReward({ frame: thousand }) });
const config = { steps: 1, promptsPerStep: 2, groupSize: 2, skipZeroVarianceGroups: false };
for await (const { metrics } of train({ policy, sampler, loss, dataset, score, config }))
  console.log(metrics);
await model.dispose();
await engine.dispose();
server.close();
