import type * as tf from "@tensorflow/tfjs-core";
import { VlmR1Error } from "@vlmr1/core";
import type { Compiled, Engine } from "@vlmr1/engine";
import type { Architecture, ProcessedImage, VisionFeatures, VisionTower } from "../network/architecture.ts";
import { bucketLength, featureInputs, type Prompt, type PromptImage } from "../network/inputs.ts";
import type { AdapterScaling } from "../network/scope.ts";
import {
  type DeviceTensors,
  type HostTensor,
  readFloats,
  type Tensors,
  withUploaded,
} from "../network/tensors.ts";

/** What a vision tower made of one image: `features[0]` `[tokens, D]`, then one such array per deepstack layer. */
export type ImageFeatures = readonly Float32Array[];

/** Encodes images, each picture once as long as the tower does not change. */
export interface FeatureEncoder {
  /** Features of every image, in order. */
  encode(images: readonly PromptImage[]): Promise<ImageFeatures[]>;
  /** Forgets everything: the tower's weights changed. */
  clear(): void;
  /** Releases the compiled tower. */
  release(): Promise<void>;
}

type VisionPass = (tensors: Tensors, inputs: Record<string, tf.Tensor>) => VisionFeatures;

/** Images that one run of the tower takes at most, and pixel values that it holds at most, unless one image has more. */
const BATCH_IMAGES = 16;

const BATCH_VALUES = 2 ** 21;

/** Width of a decoder from which on the tower's scratch memory is worth giving back before the decoder runs. */
const LARGE = 256;

/** Features in memory; 2^28 bytes hold 40000 images of `nano`. */
const CACHE_BYTES = 2 ** 28;

/** The tower of an architecture. Throws `VlmR1Error` for text-only models. */
function visionOf(architecture: Architecture): VisionTower {
  if (architecture.vision) return architecture.vision;
  throw new VlmR1Error(
    "invalid-argument",
    `A ${architecture.modelType} model has no vision tower; its prompts cannot have images.`,
  );
}

/** Compiles the tower and keeps the features of pictures it has seen. `tensors` is asked for the current weights. */
export function createFeatureEncoder(
  engine: Engine,
  architecture: Architecture,
  tensors: () => DeviceTensors,
  adapters: () => AdapterScaling | undefined = () => undefined,
): FeatureEncoder {
  const cache = createFeatureCache();
  let pass: Compiled<Parameters<VisionPass>, VisionFeatures> | undefined;
  const encode = async (images: readonly PromptImage[]): Promise<ImageFeatures[]> => {
    if (images.length === 0) return [];
    const tower = visionOf(architecture);
    const results = new Map<string, ImageFeatures>();
    const missing = new Map<string, PromptImage>();
    for (const image of images) {
      const known = cache.get(image.key);
      if (known) results.set(image.key, known);
      else missing.set(image.key, image);
    }
    for (const batch of imageBatches([...missing.values()])) {
      const scaling = adapters();
      pass ??= engine.compile<Parameters<VisionPass>, VisionFeatures>(
        (weights, inputs) => tower.forward(weights, inputs, scaling),
        { name: "vision", keepScratch: architecture.decoder.hiddenSize < LARGE },
      );
      const encoded = await encodeBatch(
        engine,
        tower,
        pass,
        tensors(),
        batch.map((image) => image.process()),
      );
      encoded.forEach((features, i) => {
        const { key } = batch[i] as PromptImage;
        results.set(key, features);
        cache.remember(key, features);
      });
    }
    return images.map((image) => results.get(image.key) as ImageFeatures);
  };
  const release = async (): Promise<void> => {
    await pass?.release();
    pass = undefined;
  };
  return { encode, clear: () => cache.clear(), release };
}

/** Features of the pictures that were seen last. */
function createFeatureCache() {
  const cache = new Map<string, ImageFeatures>();
  let bytes = 0;
  return {
    get: (key: string): ImageFeatures | undefined => cache.get(key),
    remember(key: string, features: ImageFeatures): void {
      cache.set(key, features);
      bytes += byteLength(features);
      for (const [oldest, old] of cache) {
        if (bytes <= CACHE_BYTES || oldest === key) break;
        cache.delete(oldest);
        bytes -= byteLength(old);
      }
    },
    clear(): void {
      cache.clear();
      bytes = 0;
    },
  };
}

function byteLength(features: ImageFeatures): number {
  return features.reduce((sum, set) => sum + set.byteLength, 0);
}

/** Images of one shape together, in batches whose sizes are powers of two, so that few graphs serve all. */
function imageBatches(images: readonly PromptImage[]): PromptImage[][] {
  const byShape = new Map<string, PromptImage[]>();
  for (const image of images) {
    const shape = `${image.shape.join("x")} ${image.grid.join("x")}`;
    byShape.set(shape, [...(byShape.get(shape) ?? []), image]);
  }
  const batches: PromptImage[][] = [];
  for (const group of byShape.values()) {
    const values = group[0]?.shape.reduce((product, side) => product * side, 1) ?? 1;
    const limit = Math.max(1, Math.min(BATCH_IMAGES, Math.floor(BATCH_VALUES / values)));
    for (let at = 0; at < group.length;) {
      const size = 2 ** Math.floor(Math.log2(Math.min(limit, group.length - at)));
      batches.push(group.slice(at, at + size));
      at += size;
    }
  }
  return batches;
}

async function encodeBatch(
  engine: Engine,
  tower: VisionTower,
  pass: Compiled<Parameters<VisionPass>, VisionFeatures>,
  tensors: DeviceTensors,
  images: readonly ProcessedImage[],
): Promise<ImageFeatures[]> {
  const plan = tower.plan(images);
  const result = await withUploaded(engine, plan.inputs, (inputs) => pass(tensors, inputs));
  const sets = await Promise.all([result.features, ...result.deepstack].map(readFloats));
  const features = images.map((image, i) => {
    const width = (sets[0] as Float32Array).length / plan.rows;
    const start = plan.starts[i] as number;
    return sets.map((set) => set.slice(start * width, (start + image.tokens) * width));
  });
  for (const tensor of [result.features, ...result.deepstack]) tensor.dispose();
  return features;
}

/** Features of the images of a batch, placed in the slots of its prompts. */
export interface BatchFeatures {
  readonly features: HostTensor;
  readonly deepstack: readonly HostTensor[];
  readonly slots: { readonly rows: HostTensor; readonly mask: HostTensor };
}

/**
 * Encodes the images of a batch and lays their features out as inputs of a prompt pass. Null for models without a vision tower,
 * and for batches without any image.
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
