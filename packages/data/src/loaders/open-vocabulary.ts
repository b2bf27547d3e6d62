import { VlmR1Error, type Dataset, type Rng } from "@vlmr1/core";
import { map } from "../dataset/arrange.ts";
import { detectionQuestion, plainTemplate, type PromptTemplate } from "../prompts.ts";
import type { CocoObject } from "./coco-images.ts";
import type { CocoDataset, CocoTarget } from "./coco.ts";

/** The truth of a question for some names: the objects that bear them. */
export interface NamedObjectsTarget extends CocoTarget {
  /** The names asked for that the image has. */
  readonly positives: readonly string[];
  /** The names asked for that it has not. */
  readonly negatives: readonly string[];
}

export interface OpenVocabularyOptions {
  /** Decides the names; each image draws from its own fork, so that the order of reading does not matter. */
  readonly rng: Rng;
  /** At most this many names that the image has; default all of them. */
  readonly positives?: number;
  /** This many names that it has not, or as many as there are; default 3. */
  readonly negatives?: number;
  /** Share of images, 0..1, that are asked only for names they have not, so that the right answer is None. Default 0. */
  readonly absent?: number;
  /** Default {@link detectionQuestion}. */
  readonly question?: (names: readonly string[]) => string;
  /** Default: the question is the prompt. */
  readonly template?: PromptTemplate;
}

/**
 * Asks each COCO image for some names that it has and some that it has not, in random order. The target holds the objects of the
 * names asked for, so that every box of another name is surplus. A name that occurs only as a crowd is never a negative.
 * @throws VlmR1Error `invalid-argument` for counts or shares out of range.
 */
export function openVocabulary(
  dataset: CocoDataset,
  options: OpenVocabularyOptions,
): Dataset<NamedObjectsTarget> {
  const { rng, positives = Infinity, negatives = 3, absent = 0 } = options;
  if (!(positives >= 0) || !(negatives >= 0) || !(absent >= 0 && absent <= 1)) {
    throw new VlmR1Error(
      "invalid-argument",
      `openVocabulary needs positives and negatives from 0 and absent in 0..1, got ${positives}, ${negatives} and ${absent}.`,
    );
  }
  const names = [...new Set(dataset.categories.values())];
  const question = options.question ?? detectionQuestion;
  const template = options.template ?? plainTemplate;
  return map(dataset, (sample) => {
    const draw = rng.fork(`image-${sample.id}`);
    const { objects, crowds } = sample.target;
    const there = [...new Set(objects.map(({ label }) => label))];
    const notThere = names.filter((name) => ![...objects, ...crowds].some(({ label }) => label === name));
    const none = draw.uniform() < absent && notThere.length > 0;
    const asked = none ? [] : draw.shuffled(there).slice(0, positives);
    const alien = draw.shuffled(notThere).slice(0, Math.max(negatives, asked.length === 0 ? 1 : 0));
    const ask = (list: readonly CocoObject[]): CocoObject[] =>
      list.filter(({ label }) => asked.includes(label));
    return {
      ...sample,
      prompt: template(question(draw.shuffled([...asked, ...alien]))),
      target: {
        ...sample.target,
        objects: ask(objects),
        crowds: ask(crowds),
        positives: asked,
        negatives: alien,
      },
      group: asked.length === 0 ? "absent" : "present",
    };
  });
}
