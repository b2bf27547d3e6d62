import { createRng } from "@vlmr1/core";
import { openEngine } from "@vlmr1/engine";
import { nanoShape, randomModel, randomSamples, smolVlmShape } from "./model-workload.ts";
import { median } from "./row.ts";

/** What one process measured. */
export interface ForwardRun {
  readonly prefillMs: number;
  /** One token for every prompt. */
  readonly decodeMs: number;
  readonly peakMegabytes: number;
}

/** Prompts answered greedily, each with its own image. */
export interface ForwardCase {
  readonly shape: "nano" | "smolvlm256";
  readonly batch: number;
  readonly tokens: number;
  readonly repeats: number;
  readonly threads: number;
}

/** Prefill is the time to the first token with the images already encoded; decode what each further token takes. */
export async function measureForward(options: ForwardCase): Promise<ForwardRun> {
  const engine = await openEngine({ threads: options.threads });
  const shape = options.shape === "nano" ? nanoShape : smolVlmShape(1);
  const model = await randomModel(engine, shape);
  const prompts = randomSamples(options.batch, shape.side, 1).map(({ images }) =>
    model.preprocess({ messages: [], images }),
  );
  const time = async (maxNewTokens: number): Promise<number> => {
    const start = performance.now();
    await model.generate(prompts, { temperature: 0, rng: createRng(1), maxNewTokens });
    return performance.now() - start;
  };
  await time(options.tokens);
  const [first, all]: [number[], number[]] = [[], []];
  for (let i = 0; i < options.repeats; i++) {
    first.push(await time(1));
    all.push(await time(options.tokens));
  }
  const peakMegabytes = process.resourceUsage().maxRSS / 1024;
  await engine.dispose();
  const prefillMs = median(first);
  return { prefillMs, decodeMs: (median(all) - prefillMs) / (options.tokens - 1), peakMegabytes };
}

if (process.send) {
  process.send(await measureForward(JSON.parse(process.argv[2] as string) as ForwardCase));
  process.disconnect();
}
