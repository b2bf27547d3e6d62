import { convertBox, createRng, pixels } from "@vlmr1/core";
import { openEngine } from "@vlmr1/engine";
import { expect, test } from "vitest";
import { createModel } from "../../src/create.ts";
import { boxFrameOf, type Family } from "../../src/families/family.ts";
import { knownFamilies } from "../../src/families/known-families.ts";
import { nano } from "../../src/families/nano.ts";

test("every family says in which coordinates it writes boxes", () => {
  const frames = knownFamilies.flatMap(({ modelTypes, boxFrame }) =>
    modelTypes.map((type) => [type, boxFrame]),
  );
  expect(Object.fromEntries(frames)).toEqual({
    qwen3_vl: "thousand",
    qwen2_5_vl: "resized",
    qwen2_vl: "thousand",
    idefics3: "unit",
    smolvlm: "unit",
    internvl: "thousand",
    llava_onevision: "unit",
    llama: "unit",
    qwen2: "unit",
  });
});

test("a family without a frame does not compile", () => {
  const [{ boxFrame, ...rest }] = knownFamilies as [Family];
  // @ts-expect-error: `boxFrame` is required.
  const family: Family = rest;
  expect(family.boxFrame).toBeUndefined();
  expect(boxFrame).toBe("thousand");
});

test("resized is the size that the processor makes of a picture", () => {
  const family = knownFamilies.find(({ modelTypes }) => modelTypes.includes("qwen2_5_vl")) as Family;
  const vision = { hidden_size: 8, num_heads: 1, out_hidden_size: 8, window_size: 112 };
  const text = {
    vocab_size: 8,
    hidden_size: 8,
    intermediate_size: 8,
    num_hidden_layers: 1,
    num_attention_heads: 1,
  };
  const config = { model_type: "qwen2_5_vl", vision_config: vision, text_config: text };
  const picture = { width: 1000, height: 600 };
  const frame = boxFrameOf(family.boxFrame, family.processor?.(config, {}))(picture);
  expect(frame).toEqual({ kind: "resized", width: 1008, height: 588, original: picture }); // multiples of 28
  const box = convertBox([0, 0, 1008, 588], frame, pixels(picture));
  expect(box).toEqual([0, 0, 1000, 600]);
});

test("a model has its family's frame, and others for the same pictures", async () => {
  const engine = await openEngine();
  const model = await createModel(nano(), { engine, rng: createRng(1) });
  const picture = { width: 128, height: 64 };
  expect(model.boxFrame()(picture)).toEqual({ kind: "thousand" });
  expect(model.boxFrame("unit")(picture)).toEqual({ kind: "unit" });
  expect(model.boxFrame("pixels")(picture)).toEqual({ kind: "pixels", ...picture });
  const { resized } = (model.processor as NonNullable<typeof model.processor>).layout(picture);
  expect(model.boxFrame("resized")(picture)).toEqual({ kind: "resized", ...resized, original: picture });
  await model.dispose();
  await engine.dispose();
});
