import { VlmR1Error } from "@vlmr1/core";
import type { DeviceTensor } from "@vlmr1/engine";
import type { HostTensor } from "../family.ts";
import { disposeTree, readFloats } from "../host-tree.ts";
import type { AccumulateReport, NothingUnread, TrainingBatch, TrainingGroup } from "@vlmr1/policy";
import { tokenRows, tokenTable, type BatchSizes, type PromptAnswers } from "./training-layout.ts";

type PerToken = readonly (readonly number[])[];

/** The numbers of a batch that a loss takes, as a rectangle; padding has mask 0 and advantage 0. */
export function lossInputs(
  sizes: BatchSizes,
  { groups, totals, microBatches }: Pick<TrainingBatch, "groups" | "totals" | "microBatches">,
) {
  const columns = groups.map(groupColumns);
  const advantages = new Float32Array(sizes.prompts * sizes.group);
  columns.forEach((one, p) => advantages.set(one.advantages, p * sizes.group));
  const table = (name: "oldLogProbs" | "referenceLogProbs" | "samplerLogProbs") =>
    optionalTable(
      sizes,
      name,
      columns.map((one) => one[name]),
    );
  return {
    advantages: { data: advantages, shape: [advantages.length] },
    mask: tokenTable(
      sizes,
      columns.map((one) => one.tokenMasks),
    ),
    oldLogProbs: table("oldLogProbs"),
    referenceLogProbs: table("referenceLogProbs"),
    samplerLogProbs: table("samplerLogProbs"),
    totalCompletions: totals.completions,
    totalTokens: totals.tokens,
    maxNewTokens: totals.maxNewTokens,
    microBatches,
  };
}

/** What a group brings for the loss; its sample and tokens go through the model. */
function groupColumns({ completions, ...group }: Omit<TrainingGroup, "sample">) {
  const { advantages, oldLogProbs, referenceLogProbs, samplerLogProbs, ...others } = group;
  const { tokenMasks = completions.map(({ tokenIds }) => tokenIds.map(() => 1)), ...unread } = others;
  unread satisfies NothingUnread;
  return { advantages, oldLogProbs, referenceLogProbs, samplerLogProbs, tokenMasks };
}

function optionalTable(
  sizes: BatchSizes,
  name: string,
  rows: readonly (PerToken | undefined)[],
): HostTensor | null {
  const present = rows.filter((row): row is PerToken => row !== undefined);
  if (present.length === 0) return null;
  if (present.length === rows.length) return tokenTable(sizes, present);
  throw new VlmR1Error("invalid-argument", `Only some groups of the batch have ${name}; give all or none.`);
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
