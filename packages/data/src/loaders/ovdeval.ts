import type { Rng } from "@vlmr1/core";
import { loadedDataset, type LoadedDataset } from "../dataset/bad-samples.ts";
import { detectionQuestion, plainTemplate, type PromptTemplate } from "../prompts.ts";
import { openCocoImages, type CocoFileOptions } from "./coco-images.ts";
import type { NamedObjectsTarget } from "./open-vocabulary.ts";

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
export async function ovdEval(options: OvdEvalOptions): Promise<LoadedDataset<NamedObjectsTarget>> {
  const { index, length, log, read } = await openCocoImages(options);
  const all = [...new Set(index.categories.values())];
  const own =
    (options.names ?? (index.images.some(({ text }) => text !== undefined) ? "image" : "all")) === "image";
  const question = options.question ?? detectionQuestion;
  const template = options.template ?? plainTemplate;
  return loadedDataset<NamedObjectsTarget>({
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
}
