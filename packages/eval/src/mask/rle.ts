import { showValue, VlmR1Error } from "@vlmr1/core";
import { runsOfPolygon, runsOfXywh } from "./polygon.ts";
import {
  boxedRuns,
  maskIou,
  maskOfRuns,
  mergeRuns,
  type Runs,
  runsArea,
  runsBox,
  runsOfMask,
} from "./runs.ts";

/** A mask as COCO files store it: run lengths down the columns, as a compressed string or as plain numbers. */
export interface Rle {
  readonly size: readonly [height: number, width: number];
  readonly counts: string | readonly number[];
}

/** A mask with compressed counts: what every function here returns. */
export interface CompressedRle extends Rle {
  readonly counts: string;
}

/** How COCO annotations give a mask: polygons [[x0, y0, x1, y1, …], …] in pixels, or run lengths. */
export type Segmentation = readonly (readonly number[])[] | Rle;

/**
 * Encodes a mask given row by row, [height, width]; every value but 0 is foreground.
 *
 * @throws VlmR1Error `invalid-argument` when the length is not height x width.
 */
export function encodeMask(mask: ArrayLike<number>, height: number, width: number): CompressedRle {
  if (mask.length !== height * width) {
    throw new VlmR1Error(
      "invalid-argument",
      `A mask of ${height} x ${width} pixels has ${height * width} values, got ${mask.length}.`,
    );
  }
  return compress(runsOfMask(mask, height, width));
}

/** The mask row by row, [height, width], 0 and 1. */
export function decodeRle(rle: Rle): Uint8Array {
  return maskOfRuns(runsOfRle(rle));
}

/** Foreground pixels. */
export function rleArea(rle: Rle): number {
  return runsArea(runsOfRle(rle));
}

/** The tightest box [x, y, width, height] around the foreground; all 0 for an empty mask. */
export function rleToXywh(rle: Rle): [x: number, y: number, width: number, height: number] {
  return runsBox(runsOfRle(rle));
}

/**
 * The union, or with `intersect` the intersection, of masks of one size.
 *
 * @throws VlmR1Error `invalid-argument` for no masks or different sizes (pycocotools returns a mask of size 0 x 0 for
 * both).
 */
export function mergeRles(rles: readonly Rle[], { intersect = false } = {}): CompressedRle {
  return compress(mergeAll(rles.map(runsOfRle), intersect));
}

/**
 * Intersection over union of every detection (rows) with every truth (columns).
 *
 * Where `crowd[j]` is set, the area of the detection takes the place of the union. -1 where sizes differ, as in
 * pycocotools.
 */
export function rleIou(
  detections: readonly Rle[],
  truths: readonly Rle[],
  crowd: readonly (boolean | number)[] = [],
): number[][] {
  const columns = truths.map((truth) => boxedRuns(runsOfRle(truth)));
  return detections.map((detection) => {
    const row = boxedRuns(runsOfRle(detection));
    return columns.map((column, j) => maskIou(row, column, Boolean(crowd[j])));
  });
}

/** The mask of one polygon [x0, y0, x1, y1, …] in pixels of an image of `height` x `width`. */
export function rleFromPolygon(polygon: readonly number[], height: number, width: number): CompressedRle {
  return compress(runsOfSegmentation([polygon], height, width));
}

/** The mask of a box [x, y, width, height] in pixels. */
export function rleFromXywh(xywh: readonly number[], height: number, width: number): CompressedRle {
  if (xywh.length !== 4 || !xywh.every(Number.isFinite)) {
    throw new VlmR1Error(
      "invalid-argument",
      `A box is four finite numbers [x, y, width, height], got ${showValue(xywh)}.`,
    );
  }
  return compress(runsOfXywh(xywh, height, width));
}

/** The mask of an annotation, whichever form it has: the union of its polygons, or its run lengths compressed. */
export function rleFromSegmentation(
  segmentation: Segmentation,
  height: number,
  width: number,
): CompressedRle {
  return compress(runsOfSegmentation(segmentation, height, width));
}

/** The inner form of {@link rleFromSegmentation}. `height` and `width` count for polygons only. */
export function runsOfSegmentation(segmentation: unknown, height: number, width: number): Runs {
  if (!Array.isArray(segmentation)) return runsOfRle(segmentation);
  if (segmentation.length === 0) {
    throw new VlmR1Error("invalid-data", "A segmentation needs at least one polygon, got [].");
  }
  return mergeAll(
    segmentation.map((polygon: unknown) => runsOfPolygon(checkPolygon(polygon), height, width)),
    false,
  );
}

/**
 * Reads COCO run lengths of either form.
 *
 * @throws VlmR1Error `invalid-data` when they do not add up to the mask's size, or are no run lengths at all.
 */
export function runsOfRle(value: unknown): Runs {
  const { size, counts } = (typeof value === "object" && value !== null ? value : {}) as Partial<Rle>;
  const [height, width] = Array.isArray(size) ? (size as unknown[]) : [];
  if (!isCount(height) || !isCount(width) || (typeof counts !== "string" && !Array.isArray(counts))) {
    throw new VlmR1Error(
      "invalid-data",
      `A mask is polygons or { size: [height, width], counts }, got ${showValue(value)}.`,
    );
  }
  if (typeof counts !== "string" && !counts.every(isCount)) {
    throw new VlmR1Error("invalid-data", `RLE counts are whole numbers >= 0, got ${showValue(counts)}.`);
  }
  const runs = typeof counts === "string" ? countsFromString(counts) : Uint32Array.from(counts);
  let total = 0;
  for (const run of runs) total += run;
  if (total !== height * width) {
    throw new VlmR1Error(
      "invalid-data",
      `RLE counts add up to ${total}, but a mask of ${height} x ${width} has ${height * width} pixels: ` +
        `"size" is [height, width] and the counts run down the columns.`,
    );
  }
  return { height, width, counts: runs };
}

/** One or two points enclose nothing: published files have such polygons, and pycocotools draws them as nothing. */
function checkPolygon(polygon: unknown): number[] {
  const valid = Array.isArray(polygon) && polygon.length >= 2 && polygon.length % 2 === 0;
  if (valid && polygon.every(Number.isFinite)) return polygon as number[];
  throw new VlmR1Error(
    "invalid-data",
    `A polygon is points [x0, y0, x1, y1, x2, y2, …], got ${showValue(polygon)}.`,
  );
}

function mergeAll(masks: readonly Runs[], intersect: boolean): Runs {
  const [first, ...rest] = masks;
  if (!first) throw new VlmR1Error("invalid-argument", "There is no mask to merge: give at least one.");
  return rest.reduce((merged, mask) => {
    if (mask.height === first.height && mask.width === first.width) return mergeRuns(merged, mask, intersect);
    throw new VlmR1Error(
      "invalid-argument",
      `Masks of different sizes cannot be merged: ${first.height} x ${first.width} and ${mask.height} x ${mask.width}.`,
    );
  }, first);
}

function compress({ height, width, counts }: Runs): CompressedRle {
  return { size: [height, width], counts: countsToString(counts) };
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32;
}

/** Characters 48 ("0") to 111 ("o") carry five bits of data and one that says whether more follow. */
const firstCharacter = 48;
const moreFollow = 0x20;
const negative = 0x10;

/**
 * COCO's compressed counts: like LEB128 with six bits a character; from the fourth run on, the difference to the run
 * two before.
 *
 * Byte-equal with `rleToString` of cocoapi's maskApi.c.
 */
export function countsToString(counts: ArrayLike<number>): string {
  let text = "";
  for (let i = 0; i < counts.length; i++) {
    let value = counts[i] as number;
    if (i > 2) value -= counts[i - 2] as number;
    let more = true;
    while (more) {
      let code = value & 0x1f; // the low five bits, also of a negative number
      value = (value - code) / 32; // an arithmetic shift that does not stop at 32 bits
      more = code & negative ? value !== -1 : value !== 0;
      if (more) code |= moreFollow;
      text += String.fromCharCode(code + firstCharacter);
    }
  }
  return text;
}

/**
 * The run lengths of COCO's compressed counts, `rleFrString` of maskApi.c.
 *
 * @throws VlmR1Error `invalid-data` for a character outside 48..111, a string that stops inside a number, or a
 * negative run.
 */
export function countsFromString(text: string): Uint32Array {
  const counts = new Uint32Array(text.length);
  let length = 0;
  let position = 0;
  while (position < text.length) {
    let value = 0;
    let weight = 1;
    let code: number;
    do {
      code = text.charCodeAt(position) - firstCharacter;
      if (!(code >= 0 && code < 64)) throw malformed(text, position);
      value += (code & 0x1f) * weight;
      weight *= 32;
      position++;
    } while (code & moreFollow);
    if (code & negative) value -= weight;
    if (length > 2) value += counts[length - 2] as number;
    if (!(value >= 0 && value < 2 ** 32)) throw malformed(text, position - 1);
    counts[length++] = value;
  }
  return counts.slice(0, length);
}

function malformed(text: string, position: number): VlmR1Error {
  const found =
    position < text.length ? `${JSON.stringify(text[position])} at ${position}` : "the end of the string";
  return new VlmR1Error(
    "invalid-data",
    `Compressed RLE counts cannot be read at ${found} of ${JSON.stringify(text.slice(0, 40))}: ` +
      `they are characters "0" to "o" that give run lengths >= 0. Write them with encodeMask or pycocotools.`,
  );
}
