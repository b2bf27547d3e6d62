import { showValue } from "@vlmr1/core";
import { invalidData, readRange } from "@vlmr1/core/files";
import type { CocoImage, CocoIndex } from "./coco-index.ts";

/** The outline of an object: polygons [x, y, x, y, …] in pixels, or run lengths, column by column, beginning with zeros. */
export type Segmentation =
  | readonly (readonly number[])[]
  | { readonly size: readonly [height: number, width: number]; readonly counts: readonly number[] | string };

/**
 * Reads the segmentation of one annotation from the file; undefined when it has none.
 * @throws VlmR1Error `invalid-data` when it is neither polygons nor run lengths of the image's size.
 */
export async function readSegmentation(
  index: CocoIndex,
  row: number,
  image: CocoImage,
): Promise<Segmentation | undefined> {
  const { annotations, path } = index;
  const start = annotations.segmentation.at(2 * row);
  if (start < 0) return undefined;
  const bytes = await readRange(path, start, annotations.segmentation.at(2 * row + 1));
  const place = `annotations[${annotations.ordinal.at(row)}].segmentation`;
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw invalidData({
      file: path,
      place,
      problem: `this is no valid JSON: ${(cause as Error).message}`,
      cause,
    });
  }
  if (value === null || (Array.isArray(value) && value.length === 0)) return undefined;
  if (Array.isArray(value) && value.every(isPolygon)) return value;
  if (isRunLengths(value, image)) return value;
  throw invalidData({
    file: path,
    place,
    problem: `polygons [[x, y, x, y, x, y, …], …] or {"size": [${image.height}, ${image.width}], "counts": …} should be here, found ${showValue(value)}`,
  });
}

/** At least three points, all finite: [x, y, x, y, x, y, …]. */
function isPolygon(value: unknown): value is number[] {
  return (
    Array.isArray(value) &&
    value.length >= 6 &&
    value.length % 2 === 0 &&
    value.every((number) => Number.isFinite(number))
  );
}

function isRunLengths(value: unknown, image: CocoImage): value is Extract<Segmentation, { size: unknown }> {
  if (typeof value !== "object" || value === null) return false;
  const { size, counts } = value as { size?: unknown; counts?: unknown };
  if (!Array.isArray(size) || size.length !== 2 || size[0] !== image.height || size[1] !== image.width)
    return false;
  if (typeof counts === "string") return true;
  if (!Array.isArray(counts) || !counts.every((run) => Number.isInteger(run) && run >= 0)) return false;
  return counts.reduce((sum: number, run: number) => sum + run, 0) === image.height * image.width;
}
