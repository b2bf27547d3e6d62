import type { SceneOptions } from "./draw-scenes.ts";

/** What a split changes of the options that scenes are otherwise drawn with. */
export type SceneSplit = Pick<
  SceneOptions,
  "kinds" | "objects" | "objectSizes" | "pairs" | "ground" | "style"
>;

/**
 * Splits that test generalisation, each one change away from training: spread one into the options of `drawScenes`,
 * with its own stream, `drawScenes({ ...sceneSplits["two-hop"], rng: rng.fork("two-hop"), length: 1000 })`.
 *
 * - `new-scenes`: the distribution of training, other scenes.
 * - `held-out-pairs`: the question is about a colour x shape pair that training never shows.
 * - `other-style`: objects are hatched.
 * - `other-sizes`: objects smaller, between and larger than in training.
 * - `more-objects`: five or six.
 * - `two-hop`: the anchor of a relation is itself described by a relation.
 * - `striped-ground`: noise under stripes.
 */
export const sceneSplits = {
  "new-scenes": {},
  "held-out-pairs": { pairs: "held-out" },
  "other-style": { style: "hatched" },
  "other-sizes": {
    objectSizes: [
      [10.5 / 64, 10.5 / 64],
      [18 / 64, 18 / 64],
      [30 / 64, 30 / 64],
    ],
  },
  "more-objects": { objects: [5, 6] },
  "two-hop": { kinds: { "two-hop": 1 } },
  "striped-ground": { ground: "striped" },
} as const satisfies Readonly<Record<string, SceneSplit>>;

/**
 * What reproduces the distribution of the experiments behind the built-in `nano` model: words that could be left out
 * are kept, and an object may hardly differ from its ground. Everything else of it is the default.
 */
export const nanoRecipe = { everyWordNeeded: false, contrast: 0 } as const satisfies Partial<SceneOptions>;
