import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { RgbImage } from "@vlmr1/core";
import { loadImage } from "@vlmr1/data";
import { beforeAll, describe, expect, it } from "vitest";
import { tileProcessor } from "../../src/families/idefics3.ts";
import { canvasProcessor } from "../../src/families/internvl.ts";
import type { ImageProcessor } from "../../src/images/processor.ts";
import { qwenProcessor } from "../../src/images/qwen-processor.ts";
import { fixturePath, readFixture } from "../fixtures/read-fixture.ts";

interface ImageSettings {
  readonly patch_size: number;
  readonly temporal_patch_size: number;
  readonly merge_size: number;
  readonly max_image_size: { readonly longest_edge: number };
}

interface RealCase {
  readonly processor: string;
  readonly config: ImageSettings;
  readonly file: string;
  readonly shape: readonly number[];
  readonly mean: number;
  readonly std: number;
  readonly first16: readonly number[];
  readonly last16: readonly number[];
  readonly samples: readonly (readonly [number, number])[];
}

interface SmallModel {
  readonly model: string;
  readonly preprocessor: ImageSettings;
  readonly vision: { readonly image_size: number; readonly patch_size: number };
  readonly images: readonly {
    readonly file: string;
    readonly sha256: string;
    readonly shape: readonly number[];
    readonly tokens: number;
  }[];
}

const { real, small } = readFixture<{ real: RealCase[]; small: SmallModel[] }>("processors.json.gz");
const files =
  readFixture<{ file: string; width: number; height: number; rgb_sha256: string }[]>("images.json.gz");
const images = new Map<string, RgbImage>();
beforeAll(async () => {
  for (const { file } of files)
    images.set(file, await loadImage(readFileSync(fixturePath(`images/${file}`))));
});

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

function processorFor(settings: ImageSettings, tokensPerTile: number): ImageProcessor {
  if (settings.max_image_size) {
    return tileProcessor(settings, { imageSize: settings.max_image_size.longest_edge, tokensPerTile });
  }
  const { patch_size: patchSize, temporal_patch_size: temporalPatchSize, merge_size: mergeSize } = settings;
  return qwenProcessor(settings, { patchSize, temporalPatchSize, mergeSize });
}

describe("the pictures", () => {
  it.each(files)(
    "$file has the pixels of Pillow, transparency over white",
    ({ file, width, height, rgb_sha256: hash }) => {
      const image = images.get(file)!;
      expect({ width: image.width, height: image.height }).toEqual({ width, height });
      expect(sha256(image.data)).toBe(hash);
    },
  );
});

describe.each(small)("the image processor of $model", ({ model, preprocessor, vision, images: expected }) => {
  const processorOf = (tokensPerTile: number): ImageProcessor =>
    model === "internvl"
      ? canvasProcessor(preprocessor, { imageSize: vision.image_size, tokensPerTile })
      : processorFor(preprocessor, tokensPerTile);
  it.each(expected)(
    "makes the pixel values of transformers from $file, to the last bit",
    ({ file, sha256: hash, shape, tokens }) => {
      const perTile = (Math.floor(vision.image_size / vision.patch_size) / 2) ** 2;
      const processed = processorOf(perTile).process(images.get(file)!);
      expect(processed.shape).toEqual(shape.slice(-processed.shape.length));
      expect(processed.tokens).toBe(tokens);
      expect(sha256(new Uint8Array(processed.pixels.buffer))).toBe(hash);
    },
  );
});

describe("processors of released models", () => {
  it.each(real)(
    "equal transformers: $processor, $file",
    ({ config, file, shape, mean, std, first16, last16, samples }) => {
      const { pixels, shape: made } = processorFor(config, 64).process(images.get(file)!);
      expect(made).toEqual(shape.slice(-made.length));
      const near = (actual: ArrayLike<number>, expected: readonly number[]): void =>
        expected.forEach((value, i) => expect(Math.abs(actual[i]! - value)).toBeLessThan(2e-6));
      near(pixels, first16);
      near(pixels.slice(-16), last16);
      for (const [index, value] of samples) expect(Math.abs(pixels[index]! - value)).toBeLessThan(2e-6);
      const average = pixels.reduce((sum, value) => sum + value, 0) / pixels.length;
      const variance = pixels.reduce((sum, value) => sum + (value - average) ** 2, 0) / (pixels.length - 1);
      expect(Math.abs(average - mean)).toBeLessThan(1e-5);
      expect(Math.abs(Math.sqrt(variance) - std)).toBeLessThan(1e-5);
    },
  );
});
