import { createRng } from "@vlmr1/core";
import { openEngine, type EngineOptions } from "@vlmr1/engine";
import { adamW, grpoLoss } from "@vlmr1/grpo";
import { createPolicy } from "@vlmr1/model";
import { nanoShape, randomModel, randomSamples, smolVlmShape } from "./model-workload.ts";
import { median } from "./row.ts";

/** What one process measured: medians of the steps after the warm-up. */
export interface GrpoRun {
  readonly rolloutMs: number;
  readonly updateMs: number;
  readonly totalMs: number;
  readonly peakMegabytes: number;
}

/** One GRPO step: P prompts, G answers of exactly C tokens, one update. */
export interface GrpoCase {
  readonly shape: "nano" | "smolvlm256";
  readonly tiles: 1 | 5;
  readonly prompts: number;
  readonly group: number;
  readonly tokens: number;
  readonly steps: number;
  readonly warmUp: number;
  readonly threads: number;
}

/** Runs in a process of its own, so that its peak memory is its own. */
export async function measureGrpo(options: GrpoCase, device: EngineOptions = {}): Promise<GrpoRun> {
  const { prompts, group, tokens } = options;
  const engine = await openEngine({ threads: options.threads, ...device });
  const shape = options.shape === "nano" ? nanoShape : smolVlmShape(options.tiles);
  const model = await randomModel(engine, shape);
  const isNano = options.shape === "nano";
  const policy = await createPolicy(
    model,
    isNano ? { train: "language", keepReference: false } : { train: "lora" },
  );
  const samples = randomSamples(prompts, shape.side, 1);
  const [loss, optimizer] = [grpoLoss({ beta: 0, reportEntropy: false }), adamW()];
  const [rollouts, updates]: [number[], number[]] = [[], []];
  for (let step = 0; step < options.steps + options.warmUp; step++) {
    const start = performance.now();
    const request = {
      count: group,
      rng: createRng(step),
      maxNewTokens: tokens,
      temperature: 1,
      topK: 0,
      topP: 1,
      forTraining: true,
    };
    const answers = await policy.complete(samples, request);
    const middle = performance.now();
    const groups = samples.map((sample, p) => ({
      sample,
      completions: answers[p] ?? [],
      advantages: Array.from({ length: group }, (_, g) => (g % 2 === 0 ? 1 : -1)),
    }));
    const totals = { completions: prompts * group, tokens: prompts * group * tokens, maxNewTokens: tokens };
    await policy.accumulate({ groups, totals, temperature: 1, microBatches: 1, rng: createRng(step) }, loss);
    await policy.apply(optimizer, { learningRate: 1e-5, step, maxGradientNorm: 1 });
    if (step < options.warmUp) continue;
    rollouts.push(middle - start);
    updates.push(performance.now() - middle);
  }
  const totals = rollouts.map((value, i) => value + (updates[i] as number));
  const peakMegabytes = process.resourceUsage().maxRSS / 1024;
  await engine.dispose();
  return { rolloutMs: median(rollouts), updateMs: median(updates), totalMs: median(totals), peakMegabytes };
}

if (process.send) {
  process.send(await measureGrpo(JSON.parse(process.argv[2] as string) as GrpoCase));
  process.disconnect();
}
