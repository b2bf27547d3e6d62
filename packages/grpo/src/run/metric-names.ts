import { VlmR1Error } from "@vlmr1/core";
import { defaultGuards } from "./guards.ts";
import type { RunOptions } from "./run.ts";

const updateNames = [
  "policy/updates",
  "policy/dropped",
  "policy/learning-rate",
  "policy/loss",
  "policy/gradient-norm",
  "policy/weight-growth",
];

/**
 * Metrics that steps of GRPO report with this package's losses, beside `reward/<name>` of each reward and `eval/<name>` of each number of
 * the evaluation. Not every run has every one: `policy/kl` needs a reference, `sampler/…` a sampler apart from the policy.
 */
export const grpoMetrics: readonly string[] = [
  "reward/mean",
  "reward/deviation",
  "reward/constant-groups",
  "completion/length",
  "completion/longest",
  "completion/truncated",
  ...updateNames,
  "policy/kl",
  "policy/entropy",
  "policy/ratio",
  "policy/sampler-ratio",
  "policy/clip-fraction",
  "policy/clip-low",
  "policy/clip-high",
  "policy/phi",
  "sampler/log-prob-gap",
  "sampler/log-prob-gap-largest",
];

/** Metrics that steps of supervised fine-tuning report, beside `eval/<name>`. */
export const finetuneMetrics: readonly string[] = [
  ...updateNames,
  "policy/token-probability",
  "completion/length",
  "completion/longest",
];

/**
 * Refuses a configuration that follows a metric nobody reports: such a rule would never fire, and such a run would have no best step.
 * The default guards pass, whatever the run reports.
 *
 * @throws VlmR1Error `invalid-argument` naming the option, the metric, and the known ones.
 */
export function checkMetricNames(
  { bestMetric, earlyStop, guards }: Pick<RunOptions, "bestMetric" | "earlyStop" | "guards">,
  known: readonly string[],
): void {
  const byDefault = new Set(defaultGuards.map(({ metric }) => metric));
  const followed: readonly (readonly [option: string, metric: string | undefined])[] = [
    ["bestMetric", bestMetric],
    ["earlyStop.metric", earlyStop?.metric],
    ...guards
      .filter(({ metric }) => !byDefault.has(metric))
      .map(({ metric }, i) => [`the metric of guards, number ${i + 1} of your own,`, metric] as const),
  ];
  for (const [option, metric] of followed) {
    if (metric === undefined || known.includes(metric)) continue;
    const isUnmeasured = metric.startsWith("eval/") && !known.some((name) => name.startsWith("eval/"));
    const hint = isUnmeasured ? " Nothing is evaluated during it: set evaluateEvery, and held-out data." : "";
    throw new VlmR1Error(
      "invalid-argument",
      `${option} is ${JSON.stringify(metric)}, which this run does not report.${hint} It reports: ${known.join(", ")}.`,
    );
  }
}
