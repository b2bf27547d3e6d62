import { pixels, resized, thousand, unit, type FrameOf } from "@vlmr1/core";
import type { Model } from "@vlmr1/model";

/** The names that `--frame` takes. */
export const frameNames = ["auto", "pixels", "unit", "thousand", "resized"] as const;
export type FrameName = (typeof frameNames)[number];

/**
 * The frame in which a model writes boxes. `auto` follows the families' training: Qwen2.5-VL writes pixels of the resized image, Qwen3-VL,
 * Qwen2-VL and InternVL thousandths, all others fractions.
 */
export function modelFrame(model: Model, name: FrameName = "auto"): FrameOf {
  const { processor } = model;
  const frames: Readonly<Record<Exclude<FrameName, "auto">, FrameOf>> = {
    pixels,
    unit,
    thousand,
    resized: (image) => (processor ? resized(processor.layout(image).resized, image) : pixels(image)),
  };
  if (name !== "auto") return frames[name];
  const { modelType } = model.architecture;
  if (modelType === "qwen2_5_vl") return frames.resized;
  return /^(qwen3_vl|qwen2_vl|internvl)/.test(modelType) ? thousand : unit;
}
