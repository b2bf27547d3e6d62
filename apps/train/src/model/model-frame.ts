import type { FrameOf } from "@vlmr1/core";
import type { Model } from "@vlmr1/model";

/** The names that `--frame` takes. */
export const frameNames = ["auto", "pixels", "unit", "thousand", "resized"] as const;
export type FrameName = (typeof frameNames)[number];

/** The frame in which a model writes boxes. `auto`: that of its family. */
export function modelFrame(model: Model, name: FrameName = "auto"): FrameOf {
  return model.boxFrame(name === "auto" ? undefined : name);
}
