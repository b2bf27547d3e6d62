import type { Box } from "@vlmr1/core";
import {
  createSkipLog,
  loadedDataset,
  type BadSampleOptions,
  type LoadedDataset,
} from "../dataset/bad-samples.ts";
import { invalidData } from "../invalid-data.ts";
import { detectionQuestion, plainTemplate, type PromptTemplate } from "../prompts.ts";
import { indexCoco, type CocoImage, type CocoIndex } from "./coco-index.ts";
import { boxOf, groupObjects } from "./coco-objects.ts";
import { missingFiles, openImageFolder, type ImageFolder } from "./image-folder.ts";
import { readSegmentation, type Segmentation } from "./segmentation.ts";

/** One object of a COCO image. */
export interface CocoObject {
  /** In pixels of the original image. */
  readonly box: Box;
  /** Its category's name. */
  readonly label: string;
  readonly annotationId: number;
  readonly categoryId: number;
  /** As the file says: pixels of the mask, not of the box. */
  readonly area: number;
  readonly segmentation?: Segmentation;
}

/** The truth of a COCO image. */
export interface CocoTarget {
  /** Every single object. */
  readonly objects: readonly CocoObject[];
  /** Regions of many objects (`iscrowd`): what is found inside them is neither right nor wrong. */
  readonly crowds: readonly CocoObject[];
  readonly imageId: number;
  readonly fileName: string;
}

export interface CocoOptions extends BadSampleOptions {
  /** The instances file, for example `annotations/instances_train2017.json`. */
  readonly annotations: string;
  /** The folder that the file's `file_name`s are relative to. */
  readonly images: string;
  /** The question about an image, from all category names. Default {@link detectionQuestion}. */
  readonly question?: (names: readonly string[]) => string;
  /** Default: the question is the prompt. */
  readonly template?: PromptTemplate;
  /** Whether targets carry polygons and run lengths, which are read from the file for each sample. Default true. */
  readonly segmentation?: boolean;
  /** Largest image decoded, in pixels. */
  readonly maxPixels?: number;
}

/** COCO images as samples, with the category names of the file. */
export interface CocoDataset extends LoadedDataset<CocoTarget> {
  /** Names by category id, in the file's order. */
  readonly categories: ReadonlyMap<number, string>;
}

/**
 * Loads a COCO instances file: one sample an image, in the file's order, with every object in it.
 *
 * The file is streamed: 300 MB need about 60 MB. Boxes become [x1, y1, x2, y2] in pixels of the original image. Boxes without area,
 * of which COCO's own files have two, are left out and counted in `skipped`.
 * @throws VlmR1Error `not-found`, or `invalid-data` naming record, field and value.
 */
export async function cocoDetection(options: CocoOptions): Promise<CocoDataset> {
  const log = createSkipLog(options.onBadSample);
  const folder = await openImageFolder(options.images, options);
  const index = await indexCoco(options.annotations, log);
  const objects = groupObjects(index, log);
  const mention = (row: number) => ({ file: index.path, place: `images[${row}]` });
  let rows: { row: number; path: string }[] = [];
  for (let row = 0; row < index.images.length; row++) {
    if (objects.spoiled.has(row)) continue;
    try {
      rows.push({ row, path: folder.resolve(index.images[row]!.fileName, mention(row)) });
    } catch (error) {
      log.note(error);
    }
  }
  if (log.skipping) {
    const missing = await missingFiles(rows.map(({ path }) => path));
    for (const { row, path } of rows) if (missing.has(path)) log.note(missingImage(path, mention(row)));
    rows = rows.filter(({ path }) => !missing.has(path));
  }
  const question = options.question ?? detectionQuestion;
  const prompt = (options.template ?? plainTemplate)(question([...index.categories.values()]));
  const dataset = loadedDataset<CocoTarget>({
    name: options.annotations,
    length: rows.length,
    log,
    read: async (sample) => {
      const { row, path } = rows[sample]!;
      const record = index.images[row]!;
      const image = await loadSizedImage(folder, path, record, mention(row));
      const found = await readObjects(index, objects.of(row), record, options.segmentation ?? true);
      return {
        id: String(record.id),
        prompt,
        images: [image],
        target: {
          objects: found.filter(({ crowd }) => !crowd).map(({ object }) => object),
          crowds: found.filter(({ crowd }) => crowd).map(({ object }) => object),
          imageId: record.id,
          fileName: record.fileName,
        },
      };
    },
  });
  return { ...dataset, categories: index.categories };
}

/** Decodes an image and compares its size with the annotations': boxes of another size would be silently wrong. */
export async function loadSizedImage(
  folder: ImageFolder,
  path: string,
  record: Pick<CocoImage, "width" | "height">,
  mention: { readonly file: string; readonly place: string },
) {
  const image = await folder.load(path, mention);
  if (image.width === record.width && image.height === record.height) return image;
  throw invalidData({
    ...mention,
    problem:
      `the image ${path} has ${image.width}x${image.height} pixels and the file says ${record.width}x${record.height}, so its boxes ` +
      "would be wrong. Use the images that the annotations were made for",
  });
}

/** The error for an image file that is not there. */
export function missingImage(path: string, mention: { readonly file: string; readonly place: string }) {
  return invalidData({ ...mention, problem: `there is no image at ${path}` });
}

async function readObjects(
  index: CocoIndex,
  rows: readonly number[],
  image: CocoImage,
  segmentation: boolean,
) {
  return Promise.all(
    rows.map(async (row) => {
      const { annotations, categories } = index;
      const outline = segmentation ? await readSegmentation(index, row, image) : undefined;
      const object: CocoObject = {
        box: boxOf(index, row),
        label: categories.get(annotations.categoryId.at(row))!,
        annotationId: annotations.id.at(row),
        categoryId: annotations.categoryId.at(row),
        area: annotations.area.at(row),
        ...(outline === undefined ? {} : { segmentation: outline }),
      };
      return { object, crowd: annotations.crowd.at(row) === 1 };
    }),
  );
}
