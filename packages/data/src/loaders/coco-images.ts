import type { Box, RgbImage } from "@vlmr1/core";
import { invalidData, type Mention } from "@vlmr1/core/files";
import { createSkipLog, type BadSampleOptions, type SkipLog } from "../dataset/bad-samples.ts";
import { indexCoco, type CocoImage, type CocoIndex } from "./coco-index.ts";
import { boxOf, groupObjects } from "./coco-objects.ts";
import { missingFiles, missingImage, openImageFolder, type ImageFolder } from "./image-folder.ts";
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

/** What loaders of COCO files have in common. */
export interface CocoFileOptions extends BadSampleOptions {
  /** The instances file, for example `annotations/instances_train2017.json`. */
  readonly annotations: string;
  /** The folder that the file's `file_name`s are relative to. */
  readonly images: string;
  /** Whether targets carry polygons and run lengths, which are read from the file for each sample. Default true. */
  readonly segmentation?: boolean;
  /** Largest image decoded, in pixels. */
  readonly maxPixels?: number;
}

/** An image with all that a COCO file says about it. */
export interface AnnotatedImage {
  readonly record: CocoImage;
  readonly image: RgbImage;
  /** Every single object. */
  readonly objects: readonly CocoObject[];
  /** Regions of many objects (`iscrowd`). */
  readonly crowds: readonly CocoObject[];
}

/** The good images of a COCO file. */
export interface CocoImages {
  readonly index: CocoIndex;
  readonly length: number;
  readonly log: SkipLog;
  read(position: number): Promise<AnnotatedImage>;
}

/** Opens a COCO file and its images. @throws VlmR1Error `not-found`, or `invalid-data` naming record, field and value. */
export async function openCocoImages(options: CocoFileOptions): Promise<CocoImages> {
  const log = createSkipLog(options.onBadSample);
  const folder = await openImageFolder(options.images, options);
  const index = await indexCoco(options.annotations, log);
  const grouped = groupObjects(index, log);
  const rows = await goodRows(index, grouped.spoiled, folder, log);
  return {
    index,
    length: rows.length,
    log,
    async read(position) {
      const { row, path } = rows[position]!;
      const record = index.images[row]!;
      const image = await loadSizedImage(folder, path, record, mentionOf(index, row));
      const found = await readObjects(index, grouped.of(row), record, options.segmentation ?? true);
      return {
        record,
        image,
        objects: found.filter(({ crowd }) => !crowd).map(({ object }) => object),
        crowds: found.filter(({ crowd }) => crowd).map(({ object }) => object),
      };
    },
  };
}

async function goodRows(index: CocoIndex, spoiled: ReadonlySet<number>, folder: ImageFolder, log: SkipLog) {
  const rows: { readonly row: number; readonly path: string }[] = [];
  for (let row = 0; row < index.images.length; row++) {
    if (spoiled.has(row)) continue;
    try {
      rows.push({ row, path: folder.resolve(index.images[row]!.fileName, mentionOf(index, row)) });
    } catch (error) {
      log.note(error);
    }
  }
  if (!log.skipping) return rows;
  const missing = await missingFiles(rows.map(({ path }) => path));
  for (const { row, path } of rows)
    if (missing.has(path)) log.note(missingImage(path, mentionOf(index, row)));
  return rows.filter(({ path }) => !missing.has(path));
}

function mentionOf({ path }: CocoIndex, row: number): Mention {
  return { file: path, place: `images[${row}]` };
}

/** Decodes an image and compares its size with the annotations': boxes of another size would be silently wrong. */
export async function loadSizedImage(
  folder: ImageFolder,
  path: string,
  record: Pick<CocoImage, "width" | "height">,
  mention: Mention,
): Promise<RgbImage> {
  const image = await folder.load(path, mention);
  if (image.width === record.width && image.height === record.height) return image;
  throw invalidData({
    ...mention,
    problem:
      `the image ${path} has ${image.width}x${image.height} pixels and the file says ${record.width}x${record.height}, so its boxes ` +
      "would be wrong. Use the images that the annotations were made for",
  });
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
