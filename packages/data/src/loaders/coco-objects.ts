import { boxFromXywh, type Box, type VlmR1Error } from "@vlmr1/core";
import { invalidData } from "@vlmr1/core/files";
import type { SkipLog } from "../dataset/bad-samples.ts";
import type { CocoImage, CocoIndex } from "./coco-index.ts";

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
    const imageRow = imageRows.get(annotations.imageId.at(row));
    try {
      const id = annotations.id.at(row);
      if (ids.has(id))
        throw wrongAnnotation(index, row, "id", `another annotation has the id ${id}; ids must be unique`);
      ids.add(id);
      checkAnnotation(index, row, imageRow === undefined ? undefined : images[imageRow]);
    } catch (error) {
      log.note(error);
      if (imageRow !== undefined) spoiled.add(imageRow);
      continue;
    }
    if (annotations.bbox.at(4 * row + 2) === 0 || annotations.bbox.at(4 * row + 3) === 0) {
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
      `there is no image with the id ${annotations.imageId.at(row)} in "images"`,
    );
  }
  if (!categories.has(annotations.categoryId.at(row))) {
    throw wrongAnnotation(
      index,
      row,
      "category_id",
      `there is no category with the id ${annotations.categoryId.at(row)} in "categories"`,
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
  return boxFromXywh([bbox.at(4 * row), bbox.at(4 * row + 1), bbox.at(4 * row + 2), bbox.at(4 * row + 3)]);
}

/** The error for a field of annotation `row`. */
export function wrongAnnotation(
  { path, annotations }: CocoIndex,
  row: number,
  field: string,
  problem: string,
): VlmR1Error {
  return invalidData({ file: path, place: `annotations[${annotations.ordinal.at(row)}].${field}`, problem });
}
