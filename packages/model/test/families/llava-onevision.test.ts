import { expect, test } from "vitest";
import { familyOf, knownFamilies } from "../../src/families/known-families.ts";
import { readFixture } from "../fixtures/read-fixture.ts";

interface Sizes {
  /** Height, width, canvas height, canvas width, height and width of the picture on it, features. */
  readonly rows: readonly (readonly [number, number, number, number, number, number, number])[];
}

const text = {
  vocab_size: 8,
  hidden_size: 8,
  intermediate_size: 8,
  num_hidden_layers: 1,
  num_attention_heads: 1,
};
const config = { model_type: "llava_onevision", text_config: text, vision_config: {} };
const processorOf = (preprocessor: unknown, processor?: unknown) =>
  familyOf(config, knownFamilies).processor?.(config, preprocessor, processor);

test("pictures of a hundred sizes have the canvas and the features of transformers", () => {
  const processor = processorOf({});
  for (const [height, width, canvasHeight, canvasWidth, down, across, tokens] of readFixture<Sizes>(
    "llava-tokens.json",
  ).rows) {
    const layout = processor?.layout({ width, height });
    expect(layout).toMatchObject({
      grid: [1, canvasHeight / 384, canvasWidth / 384],
      resized: { width: across, height: down },
      tokens,
    });
  }
});

test.each([
  [{ size: { height: 336, width: 336 } }, undefined, /size is 336, the tower of config.json takes 384/],
  [{ image_grid_pinpoints: [[384, 768]] }, undefined, /image_grid_pinpoints.*differ/],
  [{}, { num_image_tokens: 576 }, /num_image_tokens is 576, config.json makes 729/],
])("files of different models are refused: %j %j", (preprocessor, processor, message) => {
  expect(() => processorOf(preprocessor, processor)).toThrow(message);
});

test.each([
  [{ vision_aspect_ratio: "pad" }, /vision_aspect_ratio/],
  [{ vision_feature_layer: -2 }, /vision_feature_layer/],
  [{ image_grid_pinpoints: [[384, 500]] }, /not a multiple of the tower's 384 pixels/],
])("a tower that is not this one is refused: %j", (change, message) => {
  const changed = { ...config, ...change };
  expect(() => familyOf(changed, knownFamilies).architecture(changed)).toThrow(message);
});
