import { type Dataset, type Rng, VlmR1Error } from "@vlmr1/core";
import { map } from "../dataset/arrange.ts";
import { loadedDataset, type LoadedDataset } from "../dataset/bad-samples.ts";
import { type CocoFileOptions, type CocoObject, openCocoImages } from "./coco-images.ts";
import { detectionQuestion, plainTemplate, type PromptTemplate } from "../prompts.ts";

/** The truth of a COCO image. */
export interface CocoTarget {
  /** Every single object. */
  readonly objects: readonly CocoObject[];
  /** Regions of many objects (`iscrowd`): what is found inside them is neither right nor wrong. */
  readonly crowds: readonly CocoObject[];
  readonly imageId: number;
  readonly fileName: string;
}

export interface CocoOptions extends CocoFileOptions {
  /** The question about an image, from all category names. Default {@link detectionQuestion}. */
  readonly question?: (names: readonly string[]) => string;
  /** Default: the question is the prompt. */
  readonly template?: PromptTemplate;
}

/** COCO images as samples, with the category names of the file. */
export interface CocoDataset extends LoadedDataset<CocoTarget> {
  /** Names by category id, in the file's order. */
  readonly categories: ReadonlyMap<number, string>;
}

/**
 * Loads a COCO instances file: one sample an image, in the file's order, with every object in it.
 *
 * The file is streamed: 300 MB of it need about 150 MB. Boxes become [x1, y1, x2, y2] in pixels of the original image. Boxes without
 * area, of which COCO's own files have two, are left out and counted in `skipped`. An image with a bad annotation is bad as a whole,
 * since what is left would not be the truth.
 * @throws VlmR1Error `not-found`, or `invalid-data` naming record, field and value.
 */
export async function cocoDetection(options: CocoOptions): Promise<CocoDataset> {
  const { index, length, log, read } = await openCocoImages(options);
  const question = (options.question ?? detectionQuestion)([...new Set(index.categories.values())]);
  const prompt = (options.template ?? plainTemplate)(question);
  const dataset = loadedDataset<CocoTarget>({
    name: options.annotations,
    length,
    log,
    read: async (position) => {
      const { record, image, objects, crowds } = await read(position);
      const target = { objects, crowds, imageId: record.id, fileName: record.fileName };
      return { id: String(record.id), prompt, images: [image], target };
    },
  });
  return { ...dataset, categories: index.categories };
}

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

export interface OvdEvalOptions extends CocoFileOptions {
  /**
   * Which names an image is asked for: `image`, its own `text` and `neg_text` (color, material, position, relationship, negation);
   * `all`, every category of the file (celebrity, logo, landmark, coco). Default: `image` when the file's images have `text`.
   */
  readonly names?: "image" | "all";
  /** Shuffles the names of each question; without it positives come before negatives, as in the file. */
  readonly rng?: Rng;
  /** Default {@link detectionQuestion}. */
  readonly question?: (names: readonly string[]) => string;
  /** Default: the question is the prompt. */
  readonly template?: PromptTemplate;
}

/**
 * Loads a sub-set of OVDEval: a COCO file whose images list the labels that are there (`text`) and hard ones that are not (`neg_text`).
 * Category and annotation ids begin at 0 there, which pycocotools takes for "unmatched"; see `@vlmr1/eval`.
 * @throws VlmR1Error `not-found`, or `invalid-data` naming record, field and value.
 * @see https://github.com/om-ai-lab/OVDEval
 */
export async function ovdEval(
  options: OvdEvalOptions,
): Promise<LoadedDataset<NamedObjectsTarget> & Pick<CocoDataset, "categories">> {
  const { index, length, log, read } = await openCocoImages(options);
  const all = [...new Set(index.categories.values())];
  const own =
    (options.names ?? (index.images.some(({ text }) => text !== undefined) ? "image" : "all")) === "image";
  const question = options.question ?? detectionQuestion;
  const template = options.template ?? plainTemplate;
  const dataset = loadedDataset<NamedObjectsTarget>({
    name: options.annotations,
    length,
    log,
    read: async (position) => {
      const { record, image, objects, crowds } = await read(position);
      const id = String(record.id);
      const there = new Set([...objects, ...crowds].map(({ label }) => label));
      const positives = own ? [...new Set(record.text ?? [])] : all.filter((name) => there.has(name));
      const negatives = own
        ? [...new Set(record.negativeText ?? [])].filter((name) => !positives.includes(name))
        : all.filter((name) => !there.has(name));
      const listed = own ? [...positives, ...negatives] : all;
      const names = options.rng === undefined ? listed : options.rng.fork(`image-${id}`).shuffled(listed);
      const target = { objects, crowds, positives, negatives, imageId: record.id, fileName: record.fileName };
      return { id, prompt: template(question(names)), images: [image], target };
    },
  });
  return { ...dataset, categories: index.categories };
}
