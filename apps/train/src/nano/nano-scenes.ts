import { thousand, type Dataset, type Rng } from "@vlmr1/core";
import { drawScenes, sceneSplits, type SceneSplit, type SceneTargets } from "@vlmr1/data";

/** A drawn scene's truth: the box asked for, and everything that the scene shows. */
export type NanoTarget = SceneTargets["referring"];

/** The distribution that `nano` learns on: 64 x 64 pixels, 3 or 4 objects, boxes written in thousandths as Qwen3-VL does. */
export function nanoScenes(
  rng: Rng,
  length: number,
  split: SceneSplit = {},
  name = "scene",
): Dataset<NanoTarget> {
  return drawScenes({ rng, length, answerFrame: thousand, everyWordNeeded: false, name, ...split });
}

/** Splits that differ from training in one thing each. */
export const outOfDomain = [
  "held-out-pairs",
  "other-style",
  "more-objects",
  "two-hop",
  "striped-ground",
] as const satisfies readonly (keyof typeof sceneSplits)[];

/** Held-out scenes of one kind. */
export function nanoSplit(rng: Rng, split: keyof typeof sceneSplits, length: number): Dataset<NanoTarget> {
  return nanoScenes(rng.fork(split), length, sceneSplits[split], split);
}
