import type { CompleteOptions } from "@vlmr1/core";
import type { GrpoConfig } from "./config.ts";

/** What the sampler is asked for, without its random stream. */
export function samplingOptions(
  config: GrpoConfig,
  signal: AbortSignal | undefined,
): Omit<CompleteOptions, "rng"> {
  const { groupSize, maxNewTokens, temperature, topK, topP, minP, repetitionPenalty, stop } = config;
  return {
    count: groupSize,
    maxNewTokens,
    temperature,
    ...(topK !== undefined && { topK }),
    ...(topP !== undefined && { topP }),
    ...(minP !== undefined && { minP }),
    ...(repetitionPenalty !== undefined && { repetitionPenalty }),
    ...(stop && { stop }),
    ...(signal && { signal }),
  };
}
