import type { FeatureEncoder, ImageFeatures } from "./image-features.ts";
import { bucketLength } from "./buckets.ts";
import type { Architecture, HostTensor } from "./family.ts";
import { featureInputs, type Prompt } from "./prompt-batch.ts";
import type { BatchFeatures } from "./generation/generate-batch.ts";

/**
 * Encodes the images of a batch and lays their features out as inputs of a prompt pass. Null for models without a vision tower, and
 * for batches without any image.
 */
export async function batchFeatures(
  architecture: Architecture,
  encoder: FeatureEncoder,
  prompts: readonly Prompt[],
  slots: number,
): Promise<BatchFeatures | null> {
  const { vision, decoder } = architecture;
  const images = prompts.flatMap((prompt) => prompt.images);
  if (!vision || images.length === 0) return null;
  const encoded = await encoder.encode(images);
  const starts: number[] = [];
  let rows = 0;
  for (const image of images) {
    starts.push(rows);
    rows += image.tokens;
  }
  let image = 0;
  const perPrompt = prompts.map((prompt) => prompt.images.map(() => starts[image++] as number));
  const height = bucketLength(rows);
  const sets = Array.from({ length: 1 + vision.deepstackLayers }, (_, set) =>
    stack(encoded, set, height, decoder.hiddenSize),
  );
  return {
    features: sets[0] as HostTensor,
    deepstack: sets.slice(1),
    slots: featureInputs(prompts, slots, vision.imageTokenId, perPrompt),
  };
}

function stack(encoded: readonly ImageFeatures[], set: number, height: number, width: number): HostTensor {
  const data = new Float32Array(height * width);
  let offset = 0;
  for (const features of encoded) {
    data.set(features[set] as Float32Array, offset);
    offset += (features[set] as Float32Array).length;
  }
  return { data, shape: [height, width] };
}
