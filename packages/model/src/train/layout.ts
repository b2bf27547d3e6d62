import { type Rng, VlmR1Error } from "@vlmr1/core";
import type { DeviceTensor } from "@vlmr1/engine";
import type { AccumulateReport, NothingUnread, TrainingBatch, TrainingGroup } from "@vlmr1/policy";
import { batchFeatures } from "../images/encoder.ts";
import type { Architecture } from "../network/architecture.ts";
import type { DecoderConfig } from "../network/decoder.ts";
import {
  type BatchSizes,
  bucketCount,
  bucketLength,
  completionBias,
  completionRotary,
  featureInputs,
  type Prompt,
  type PromptCompletions,
  type PromptInputs,
  promptInputs,
  promptLength,
} from "../network/inputs.ts";
import { disposeTree, type HostTensor, readFloats } from "../network/tensors.ts";
import type { WeightSet } from "./weights.ts";

/** Inputs of the forward pass over prompts and completions. */
interface ForwardInputs {
  readonly prompt: PromptInputs;
  readonly completion: PromptInputs & { readonly targets: HostTensor };
}

/** Groups laid out in one rectangle. */
interface TrainingLayout {
  readonly sizes: BatchSizes;
  /** One prompt per row of the batch; the last ones may repeat the first to fill it. */
  readonly prompts: readonly Prompt[];
  readonly inputs: ForwardInputs;
}

/** Lays groups of any lengths out in one rectangle: prompts padded on the left, completions on the right. */
export function trainingLayout(
  decoder: DecoderConfig,
  groups: readonly PromptCompletions[],
  padTokenId: number,
): TrainingLayout {
  if (groups.length === 0) throw new VlmR1Error("invalid-argument", "A batch needs at least one group.");
  checkGroups(decoder, groups);
  const P = bucketCount(groups.length);
  const G = Math.max(...groups.map(({ completions }) => completions.length));
  const T = bucketLength(
    Math.max(...groups.flatMap(({ completions }) => completions.map((ids) => ids.length))),
  );
  const S = promptLength(Math.max(...groups.map(({ prompt }) => prompt.ids.length)));
  const prompts = Array.from({ length: P }, (_, p) => (groups[p] ?? (groups[0] as PromptCompletions)).prompt);
  const fed = new Int32Array(P * G * (T - 1)).fill(padTokenId);
  const targets = new Int32Array(P * G * T).fill(padTokenId); // [T, P, G], as decoding computes them
  groups.forEach(({ completions }, p) => {
    completions.forEach((ids, g) => {
      ids.forEach((id, t) => (targets[(t * P + p) * G + g] = id));
      ids.slice(0, -1).forEach((id, t) => (fed[(t * P + p) * G + g] = id));
    });
  });
  const completion = {
    ids: { data: fed, shape: [fed.length] },
    rotary: completionRotary(decoder, prompts, 0, T - 1),
    bias: completionBias(prompts, S, T - 1),
    targets: { data: targets, shape: [targets.length] },
  };
  return {
    sizes: { prompts: P, group: G, slots: S, length: T },
    prompts,
    inputs: { prompt: promptInputs(decoder, prompts, S), completion },
  };
}

/** @throws VlmR1Error `invalid-argument` for empty groups or completions, and for token ids outside the vocabulary. */
function checkGroups(decoder: DecoderConfig, groups: readonly PromptCompletions[]): void {
  groups.forEach(({ prompt, completions }, g) => {
    if (completions.length === 0) throw new VlmR1Error("invalid-argument", `Group ${g} has no completions.`);
    completions.forEach((ids, a) => {
      const wrong = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= decoder.vocabularySize);
      if (ids.length === 0)
        throw new VlmR1Error("invalid-argument", `Completion ${a} of group ${g} has no tokens.`);
      if (wrong !== undefined) {
        throw new VlmR1Error(
          "invalid-argument",
          `Completion ${a} of group ${g} has the token id ${wrong}; the vocabulary has ${decoder.vocabularySize}.`,
        );
      }
      const total = prompt.ids.length + ids.length;
      if (total > decoder.contextLength) {
        throw new VlmR1Error(
          "limit",
          `Prompt and completion ${a} of group ${g} have ${total} tokens; the context of the model has ${decoder.contextLength}.`,
        );
      }
    });
  });
}

/** Random numbers from which dropout makes its masks: one for each row and each column of the widest input. */
export function dropoutNoise(
  decoder: DecoderConfig,
  { prompts, group, slots, length }: BatchSizes,
  rng: Rng,
) {
  const rows = prompts * Math.max(slots, group * length);
  const columns = Math.max(decoder.hiddenSize, decoder.intermediateSize, decoder.heads * decoder.headDim);
  const uniforms = (count: number): HostTensor => ({
    data: Float32Array.from({ length: count }, () => rng.uniform()),
    shape: [count],
  });
  return { rows: uniforms(rows), columns: uniforms(columns) };
}

/** Numbers per token, group by group, as one rectangle `[P G, T]`; `fallback` where a completion has none. */
function tokenTable(
  { prompts, group, length }: BatchSizes,
  rows: readonly (readonly ArrayLike<number>[])[],
  fallback = 0,
): HostTensor {
  const data = new Float32Array(prompts * group * length).fill(fallback);
  rows.forEach((completions, p) =>
    completions.forEach((values, g) => data.set(values, (p * group + g) * length)),
  );
  return { data, shape: [prompts * group, length] };
}

/** The inverse of `tokenTable`: the numbers of the tokens that each completion has. */
export function tokenRows(
  { group, length }: BatchSizes,
  table: Float32Array,
  groups: readonly PromptCompletions[],
): Float32Array[][] {
  return groups.map(({ completions }, p) =>
    completions.map((ids, g) => {
      const start = (p * group + g) * length;
      return table.slice(start, start + ids.length);
    }),
  );
}

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
  completions: readonly PromptCompletions[],
): Promise<AccumulateReport> {
  const scalar = async (tensor: DeviceTensor): Promise<number> => (await readFloats(tensor))[0] as number;
  const named: Record<string, number> = {};
  for (const [name, tensor] of Object.entries(metrics)) named[name] = await scalar(tensor);
  const report = {
    loss: await scalar(loss),
    metrics: named,
    logProbs: tokenRows(sizes, await readFloats(logProbs), completions),
    ...(entropies && { entropies: tokenRows(sizes, await readFloats(entropies), completions) }),
  };
  disposeTree([loss, metrics, logProbs, entropies]);
  return report;
}

/** The images of a batch as inputs of a pass: features where the tower is frozen, pixels where it is trained. */
export async function batchImages(
  architecture: Architecture,
  { sizes, prompts }: TrainingLayout,
  real: number,
  set: WeightSet,
) {
  if (set.encoder) {
    return { ready: await batchFeatures(architecture, set.encoder, prompts, sizes.slots), pixels: null };
  }
  return { ready: null, pixels: pixelInputs(architecture, prompts, real, sizes.slots) };
}

/** Pixels of the `real` prompts; those that only fill the batch share the images of the first. */
function pixelInputs(architecture: Architecture, prompts: readonly Prompt[], real: number, slots: number) {
  const { vision } = architecture;
  const images = prompts.slice(0, real).flatMap((prompt) => prompt.images);
  if (!vision || images.length === 0) return null;
  const plan = vision.plan(images.map((image) => image.process()));
  let next = 0;
  const starts = prompts
    .slice(0, real)
    .map((prompt) => prompt.images.map(() => plan.starts[next++] as number));
  const all = prompts.map((_, p) => starts[p] ?? (starts[0] as number[]));
  return { inputs: plan.inputs, slots: featureInputs(prompts, slots, vision.imageTokenId, all) };
}
