import { loadedDataset, type LoadedDataset } from "../dataset/bad-samples.ts";
import { detectionQuestion, plainTemplate, type PromptTemplate } from "../prompts.ts";
import { openCocoImages, type CocoFileOptions, type CocoObject } from "./coco-images.ts";

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
  const question = (options.question ?? detectionQuestion)([...index.categories.values()]);
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
