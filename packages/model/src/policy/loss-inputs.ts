import { VlmR1Error } from "@vlmr1/core";
import type { DeviceTensor } from "@vlmr1/engine";
import type { HostTensor } from "../family.ts";
import { disposeTree, readFloats } from "../host-tree.ts";
import type { AccumulateReport, TrainingBatch } from "@vlmr1/policy";
import { tokenRows, tokenTable, type BatchSizes, type PromptAnswers } from "./training-layout.ts";

type PerToken = readonly (readonly number[])[];

/** The numbers of a batch that a loss takes, as a rectangle; padding has mask 0 and advantage 0. */
export function lossInputs(sizes: BatchSizes, { groups, totals, microBatches }: TrainingBatch) {
  const advantages = new Float32Array(sizes.prompts * sizes.group);
  groups.forEach((one, p) => advantages.set(one.advantages, p * sizes.group));
  const masks = groups.map(
    ({ tokenMasks, completions }) => tokenMasks ?? completions.map(({ tokenIds }) => tokenIds.map(() => 1)),
  );
  return {
    advantages: { data: advantages, shape: [advantages.length] },
    mask: tokenTable(sizes, masks),
    oldLogProbs: optionalTable(
      sizes,
      "old",
      groups.map((one) => one.oldLogProbs),
    ),
    referenceLogProbs: optionalTable(
      sizes,
      "reference",
      groups.map((one) => one.referenceLogProbs),
    ),
    samplerLogProbs: optionalTable(
      sizes,
      "sampler",
      groups.map((one) => one.samplerLogProbs),
    ),
    totalCompletions: totals.completions,
    totalTokens: totals.tokens,
    maxNewTokens: totals.maxNewTokens,
    microBatches,
  };
}

function optionalTable(
  sizes: BatchSizes,
  name: string,
  rows: readonly (PerToken | undefined)[],
): HostTensor | null {
  const present = rows.filter((row): row is PerToken => row !== undefined);
  if (present.length === 0) return null;
  if (present.length === rows.length) return tokenTable(sizes, present);
  throw new VlmR1Error(
    "invalid-argument",
    `Only some groups of the batch have ${name} log-probabilities; give all or none.`,
  );
}

interface GradientTensors {
  readonly loss: DeviceTensor;
  readonly metrics: Readonly<Record<string, DeviceTensor>>;
  readonly logProbs: DeviceTensor;
  readonly entropies: DeviceTensor | null;
}

/** Reads what a gradient program measured, and frees it. */
export async function readReport(
  { loss, metrics, logProbs, entropies }: GradientTensors,
  sizes: BatchSizes,
  answers: readonly PromptAnswers[],
): Promise<AccumulateReport> {
  const scalar = async (tensor: DeviceTensor): Promise<number> => (await readFloats(tensor))[0] as number;
  const named: Record<string, number> = {};
  for (const [name, tensor] of Object.entries(metrics)) named[name] = await scalar(tensor);
  const report = {
    loss: await scalar(loss),
    metrics: named,
    logProbs: tokenRows(sizes, await readFloats(logProbs), answers),
    ...(entropies && { entropies: tokenRows(sizes, await readFloats(entropies), answers) }),
  };
  disposeTree([loss, metrics, logProbs, entropies]);
  return report;
}
