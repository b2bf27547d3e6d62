import { createRng } from "@vlmr1/core";
import { bootstrapMean } from "@vlmr1/eval";

/** A mean over seeds with the interval of a bootstrap over seeds and samples together. */
export interface SeedMean {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** The mean of per-sample scores over several seeds. The interval resamples all scores: it tells how sure the mean is, not the spread of seeds. */
export function seedMean(scores: readonly (readonly number[])[]): SeedMean {
  const { mean, low, high } = bootstrapMean(scores.flat(), { rng: createRng(0).fork("intervals") });
  return { mean, low, high };
}

/** `61.2 [58.9, 63.4]`, in percent. */
export function percentText({ mean, low, high }: SeedMean): string {
  const percent = (value: number): string => (100 * value).toFixed(1);
  return `${percent(mean)} [${percent(low)}, ${percent(high)}]`;
}

/** A Markdown table. */
export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}
