import { join } from "node:path";
import type { Dataset, ScoreFunction } from "@vlmr1/core";
import { createRemoteSampler, grpoLoss, train, type Policy, type StepReport } from "@vlmr1/grpo";

/**
 * Rollouts on another machine, training on this one. The server is vLLM, started for instance with
 *
 *     VLLM_ALLOW_RUNTIME_LORA_UPDATING=True vllm serve MODEL --enable-lora --logprobs-mode processed_logprobs
 *
 * Every `syncEvery` steps it is told to load the adapter as it is now, from a folder that both machines see. In between its answers are
 * a little stale: truncated importance weights keep the gradient that of the policy.
 */
export async function* trainRemotely<Target>(options: {
  readonly policy: Policy;
  readonly dataset: Dataset<Target>;
  readonly score: ScoreFunction<Target>;
  readonly server: { readonly url: string; readonly model: string };
  readonly adapters: string;
  readonly steps: number;
  readonly syncEvery: number;
}): AsyncGenerator<StepReport<Target>> {
  const { policy, dataset, score, steps, syncEvery } = options;
  const sampler = createRemoteSampler({ ...options.server, concurrency: 8 });
  const loss = grpoLoss({ beta: 0, samplerCorrection: { level: "token", mode: "truncate", max: 2 } });
  const config = { steps, promptsPerStep: 4, groupSize: 4, maxNewTokens: 8, learningRate: 1e-3 };
  for await (const report of train({ policy, sampler, dataset, score, loss, config })) {
    yield report;
    if (report.step % syncEvery !== 0) continue;
    const name = `step-${report.step}`;
    await policy.save(join(options.adapters, name));
    await sampler.loadAdapter({ name, path: join(options.adapters, name) });
  }
}
