import { batchFeatures } from "../features-for-batch.ts";
import type { Architecture } from "../family.ts";
import { featureInputs, type Prompt } from "../prompt-batch.ts";
import type { WeightSet } from "./trained-weights.ts";
import type { TrainingLayout } from "./training-layout.ts";

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
