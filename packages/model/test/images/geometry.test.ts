import { VlmR1Error } from "@vlmr1/core";
import { describe, expect, it } from "vitest";
import { tileGrid, tileProcessor, tilePrompt } from "../../src/families/idefics3.ts";
import { bestCanvas, canvasProcessor } from "../../src/families/internvl.ts";
import { expandPlaceholders } from "../../src/images/processor.ts";
import { qwenProcessor, smartResize } from "../../src/images/qwen-processor.ts";
import type { ImageLayout } from "../../src/network/architecture.ts";
import { readFixture } from "../fixtures/read-fixture.ts";

type Row = readonly [number, number, number, number, number, number, number, number, number, number];
const { geometry } = readFixture<{ geometry: { smart_resize: Row[]; smolvlm: Row[]; internvl: Row[] } }>(
  "processors.json.gz",
);

describe("smartResize", () => {
  it("gives the sizes of transformers for 180 images", () => {
    for (const [
      height,
      width,
      factor,
      minPixels,
      maxPixels,
      expectedHeight,
      expectedWidth,
    ] of geometry.smart_resize) {
      expect(smartResize({ width, height }, factor, minPixels, maxPixels)).toEqual({
        width: expectedWidth,
        height: expectedHeight,
      });
    }
    expect(geometry.smart_resize.length).toBe(180);
  });

  it.each([
    [480, 640, 476, 644],
    [375, 500, 364, 504],
    [100, 80, 112, 84],
    [42, 70, 56, 56], // 70 / 28 = 2.5 rounds to 2
    [14, 200, 28, 224],
    [4000, 6000, 2912, 4368],
  ])("resizes %i x %i (height, width) to %i x %i for Qwen2.5-VL", (height, width, toHeight, toWidth) => {
    expect(smartResize({ width, height }, 28, 3136, 12845056)).toEqual({ width: toWidth, height: toHeight });
  });

  it("keeps sides multiples of the factor and the area within bounds", () => {
    for (let width = 20; width < 900; width += 37) {
      for (let height = 20; height < 900; height += 41) {
        const size = smartResize({ width, height }, 28, 3136, 200704);
        expect([size.width % 28, size.height % 28]).toEqual([0, 0]);
        expect(size.width * size.height).toBeLessThanOrEqual(200704);
        expect(size.width * size.height).toBeGreaterThanOrEqual(3136);
      }
    }
  });
});

describe("tileGrid", () => {
  it("gives the sizes and tiles of transformers for 180 images", () => {
    for (const [height, width, edge, tile, h1, w1, h2, w2, rows, columns] of geometry.smolvlm) {
      expect(tileGrid({ width, height }, edge, tile, true)).toEqual({
        scaled: { width: w1, height: h1 },
        squared: { width: w2, height: h2 },
        rows,
        columns,
      });
    }
    expect(geometry.smolvlm.length).toBe(180);
  });

  it("squeezes the image into one tile when splitting is off", () => {
    expect(tileGrid({ width: 640, height: 480 }, 2048, 512, false)).toMatchObject({
      rows: 0,
      columns: 0,
      squared: { width: 512, height: 512 },
    });
  });
});

describe("bestCanvas", () => {
  it("gives the tiles of transformers for InternVL", () => {
    for (const [height, width, most, columns, rows] of geometry.internvl) {
      expect(bestCanvas({ width, height }, 448, 1, most)).toEqual({ rows, columns });
    }
    expect(geometry.internvl.length).toBeGreaterThan(100);
  });

  it("adds a thumbnail only to several tiles", () => {
    const processor = canvasProcessor({}, { imageSize: 448, tokensPerTile: 256 });
    expect(processor.layout({ width: 640, height: 480 })).toMatchObject({
      grid: [1, 3, 4],
      tokens: 13 * 256,
    });
    expect(processor.layout({ width: 300, height: 300 })).toMatchObject({ grid: [1, 1, 1], tokens: 256 });
  });
});

describe("an image of 1 x 10000 pixels", () => {
  const qwen = qwenProcessor({}, { patchSize: 14, temporalPatchSize: 2, mergeSize: 2 });
  const tiled = tileProcessor({}, { imageSize: 364, tokensPerTile: 169 });
  it.each([
    ["Qwen", qwen],
    ["tiled", tiled],
  ])("is refused by the %s processor before anything is allocated", (_, processor) => {
    const failure = (): unknown => processor.layout({ width: 1, height: 10000 });
    expect(failure).toThrowError(/1x10000 pixels cannot be used/);
    expect(failure).toThrowError(VlmR1Error);
    expect(() => processor.process({ width: 10000, height: 1, data: new Uint8Array(30000) })).toThrowError(
      /10000x1/,
    );
  });
});

describe("layout", () => {
  it("says what process would make, without pixels", () => {
    const processor = qwenProcessor(
      { min_pixels: 3136, max_pixels: 12845056 },
      { patchSize: 14, temporalPatchSize: 2, mergeSize: 2 },
    );
    expect(processor.layout({ width: 640, height: 480 })).toEqual({
      shape: [34 * 46, 1176],
      grid: [1, 34, 46],
      tokens: 391,
      resized: { width: 644, height: 476 },
    });
  });
});

describe("qwenProcessor", () => {
  const tower = { patchSize: 14, temporalPatchSize: 2, mergeSize: 2 };
  it("takes the areas from min_pixels and max_pixels, or from size, or from the class", () => {
    const size = { width: 600, height: 600 };
    expect(qwenProcessor({}, tower).layout(size).resized).toEqual({ width: 588, height: 588 });
    expect(qwenProcessor({ max_pixels: 60000 }, tower).layout(size).resized).toEqual({
      width: 224,
      height: 224,
    });
    const edges = { shortest_edge: 3136, longest_edge: 60000 };
    expect(qwenProcessor({ size: edges }, tower).layout(size).resized).toEqual({ width: 224, height: 224 });
    expect(qwenProcessor({ size: edges, max_pixels: 220000 }, tower).layout(size).resized).toEqual({
      width: 448,
      height: 448,
    });
  });

  it("refuses settings of another model, unknown filters and impossible numbers", () => {
    expect(() => qwenProcessor({ patch_size: 16 }, tower)).toThrowError(/patch_size is 16.*takes 14/);
    expect(() => qwenProcessor({ min_pixels: 5000, max_pixels: 4000 }, tower)).toThrowError(
      /5000 pixels.*4000 pixels/,
    );
    expect(() => qwenProcessor({ resample: 0 }, tower)).toThrowError(/resample is 0/);
    expect(() => qwenProcessor({ image_std: [1, 0, 1] }, tower)).toThrowError(/image_std contains 0/);
    expect(() => qwenProcessor({ image_mean: [1] }, tower)).toThrowError(/image_mean/);
  });

  it("without resizing takes only images that fit", () => {
    const fixed = qwenProcessor({ do_resize: false }, tower);
    expect(fixed.layout({ width: 56, height: 28 }).grid).toEqual([1, 2, 4]);
    expect(() => fixed.layout({ width: 57, height: 28 })).toThrowError(/do_resize is false/);
  });
});

describe("tilePrompt", () => {
  it("announces tiles by row and column and ends with the whole image", () => {
    expect(tilePrompt([1, 0, 0], 2)).toBe(
      "<fake_token_around_image><global-img><image><image><fake_token_around_image>",
    );
    expect(tilePrompt([1, 2, 1], 1)).toBe(
      "<fake_token_around_image><row_1_col_1><image>\n<fake_token_around_image><row_2_col_1><image>\n" +
        "\n<fake_token_around_image><global-img><image><fake_token_around_image>",
    );
  });

  it("has rows * ((S + 2) * columns + 1) + S + 4 tokens", () => {
    const pieces = tilePrompt([1, 4, 4], 64).match(/<[^>]+>|\n/g)!;
    expect(pieces.length).toBe(4 * ((64 + 2) * 4 + 1) + 64 + 4);
  });
});

describe("expandPlaceholders", () => {
  const processor = qwenProcessor({}, { patchSize: 14, temporalPatchSize: 2, mergeSize: 2 });
  const image = (tokens: number): ImageLayout => ({
    shape: [],
    grid: [1, 2, 2 * tokens],
    tokens,
    resized: { width: 1, height: 1 },
  });

  it("replaces the placeholders in order", () => {
    const pad = "<|image_pad|>";
    expect(expandPlaceholders(`a${pad}b${pad}c`, processor, [image(1), image(2)])).toBe(
      `a${pad}b${pad}${pad}c`,
    );
  });

  it("refuses another number of images than placeholders", () => {
    expect(() => expandPlaceholders("a<|image_pad|>", processor, [])).toThrowError(
      /1 image placeholders.*0 images/,
    );
    expect(() => expandPlaceholders("a", processor, [image(1)])).toThrowError(
      /0 image placeholders.*1 images/,
    );
  });
});
