import { type Box, boxFromXywh, type RgbImage, type VlmR1Error } from "@vlmr1/core";
import { invalidData, type Mention } from "@vlmr1/core/files";
import { type LoaderOptions, createSkipLog, type SkipLog } from "../dataset/bad-samples.ts";
import {
  type ImageFolder,
  loadSizedImage,
  missingFiles,
  missingImage,
  openImageFolder,
} from "../images/image-folder.ts";
import {
  type CocoImage,
  type CocoIndex,
  indexCoco,
  readSegmentation,
  type Segmentation,
} from "./coco-file.ts";

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
export interface CocoFileOptions extends LoaderOptions {
  /** The instances file, for example `annotations/instances_train2017.json`. */
  readonly annotations: string;
  /** The folder that the file's `file_name`s are relative to. */
  readonly images: string;
  /** Whether targets carry polygons and run lengths, which are read from the file for each sample. Default true. */
  readonly segmentation?: boolean;
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
        label: categories.get(annotations.categoryId[row]!)!,
        annotationId: annotations.id[row]!,
        categoryId: annotations.categoryId[row]!,
        area: annotations.area[row]!,
        ...(outline === undefined ? {} : { segmentation: outline }),
      };
      return { object, crowd: annotations.crowd[row] === 1 };
    }),
  );
}

/** Annotations may reach this far over the edge of their image, in pixels: published files round boxes and sizes apart. */
const EDGE_TOLERANCE = 1;

/** The good annotations of a COCO file, by image. */
export interface CocoObjects {
  /** Rows of `index.annotations` that belong to image `imageRow`, in the file's order. */
  of(imageRow: number): readonly number[];
  /** Rows of images whose annotations are not all good: their truth would be incomplete. */
  readonly spoiled: ReadonlySet<number>;
}

/** Checks every annotation against its image and category, and groups them by image. */
export function groupObjects(index: CocoIndex, log: SkipLog): CocoObjects {
  const { annotations, imageRows, images } = index;
  const ids = new Set<number>();
  const spoiled = new Set<number>();
  for (const id of index.incomplete) {
    const row = imageRows.get(id);
    if (row !== undefined) spoiled.add(row);
  }
  const groups: (number[] | undefined)[] = new Array(images.length);
  for (let row = 0; row < annotations.id.length; row++) {
    const imageRow = imageRows.get(annotations.imageId[row]!);
    try {
      const id = annotations.id[row]!;
      if (ids.has(id))
        throw wrongAnnotation(index, row, "id", `another annotation has the id ${id}; ids must be unique`);
      ids.add(id);
      checkAnnotation(index, row, imageRow === undefined ? undefined : images[imageRow]);
    } catch (error) {
      log.note(error);
      if (imageRow !== undefined) spoiled.add(imageRow);
      continue;
    }
    const [width, height] = annotations.bbox.slice(4 * row + 2, 4 * row + 4);
    if (width === 0 || height === 0) {
      // COCO's own train2017 has two such annotations; no detector can be asked for a box without area.
      log.leaveOut(wrongAnnotation(index, row, "bbox", "the box is empty, so the object is left out"));
      continue;
    }
    (groups[imageRow!] ??= []).push(row);
  }
  return { of: (imageRow) => groups[imageRow] ?? [], spoiled };
}

/** Checks that an annotation belongs to an image and a category, and that its box is inside. @throws VlmR1Error `invalid-data`. */
export function checkAnnotation(index: CocoIndex, row: number, image: CocoImage | undefined): void {
  const { annotations, categories } = index;
  if (image === undefined) {
    throw wrongAnnotation(
      index,
      row,
      "image_id",
      `there is no image with the id ${annotations.imageId[row]!} in "images"`,
    );
  }
  if (!categories.has(annotations.categoryId[row]!)) {
    throw wrongAnnotation(
      index,
      row,
      "category_id",
      `there is no category with the id ${annotations.categoryId[row]!} in "categories"`,
    );
  }
  const [x1, y1, x2, y2] = boxOf(index, row);
  const outside =
    Math.min(x1, y1) < -EDGE_TOLERANCE ||
    x2 > image.width + EDGE_TOLERANCE ||
    y2 > image.height + EDGE_TOLERANCE;
  if (outside) {
    throw wrongAnnotation(
      index,
      row,
      "bbox",
      `the box reaches from (${x1}, ${y1}) to (${x2}, ${y2}), outside its image ${image.fileName} of ${image.width}x${image.height} ` +
        "pixels. A bbox is [x, y, width, height] in pixels of the original image",
    );
  }
}

/** The box of annotation `row`, in pixels of its image. */
export function boxOf({ annotations: { bbox } }: CocoIndex, row: number): Box {
  return boxFromXywh([bbox[4 * row]!, bbox[4 * row + 1]!, bbox[4 * row + 2]!, bbox[4 * row + 3]!]);
}

/** The error for a field of annotation `row`. */
export function wrongAnnotation(
  { path, annotations }: CocoIndex,
  row: number,
  field: string,
  problem: string,
): VlmR1Error {
  return invalidData({ file: path, place: `annotations[${annotations.ordinal[row]!}].${field}`, problem });
}
