import { showValue, VlmR1Error } from "@vlmr1/core";
import type { AnnotationTable, CocoId, ResultTable } from "./tables.ts";

/** Truths and detections brought into the orders that matching and accumulation walk through. */
export interface CocoLayout {
  readonly imageCount: number;
  /** Category ids, ascending; [undefined] when categories are merged. */
  readonly categoryIds: readonly (CocoId | undefined)[];
  /** Truths by category, image, file order. Truths of unknown images or categories are left out. */
  readonly truths: Int32Array;
  /** Detections by category, image, descending score; ties in file order. */
  readonly detections: Int32Array;
  /**
   * For every position of `detections`, the detection's position by category and descending score; ties by image,
   * then in file order. Verdicts are kept in this order: matching and accumulation both walk category by category, so
   * both stay in cache.
   */
  readonly rankings: Int32Array;
  /** [categories + 1]: where each category starts, in `detections` and in the order of `rankings`. */
  readonly categoryStarts: Int32Array;
  /** For every truth and detection of the tables, category index x imageCount + image index, or -1 when left out. */
  readonly truthBuckets: Float64Array;
  readonly detectionBuckets: Float64Array;
  /** Detections whose category the annotations do not know: they count for nothing, as in pycocotools. */
  readonly unknownCategory: number;
}

/**
 * Sorts the tables by image id and category id.
 *
 * @throws VlmR1Error `invalid-data` when a detection is on an image that the annotations do not list.
 */
export function layOut(annotations: AnnotationTable, results: ResultTable, useCats: boolean): CocoLayout {
  const images = indexById(annotations.images.keys());
  const categories = indexById(annotations.categories.keys());
  const imageCount = images.size;
  const truth = indexed(annotations, images, categories);
  const detection = indexed(results, images, categories);
  refuseUnknownImages(annotations, results, detection.image);
  const truthsByCategory = stableOrderBy(truth.category, categories.size, truth.known);
  const detectionsByCategory = stableOrderBy(detection.category, categories.size, detection.known);
  // Without categories, an image's objects still stand in the order of their categories.
  const truthKeys = useCats ? truth.category : new Int32Array(annotations.length);
  const detectionKeys = useCats ? detection.category : new Int32Array(results.length);
  const keyCount = useCats ? categories.size : Math.min(1, categories.size);
  const byImage = stableOrderBy(detection.image, imageCount, detectionsByCategory);
  const byScore = stableOrderByScore(results.scores, byImage);
  const detections = stableOrderBy(
    detectionKeys,
    keyCount,
    stableOrderBy(detection.image, imageCount, byScore),
  );
  return {
    imageCount,
    categoryIds: useCats ? [...categories.keys()] : [undefined],
    truths: stableOrderBy(truthKeys, keyCount, stableOrderBy(truth.image, imageCount, truthsByCategory)),
    detections,
    rankings: positionsIn(stableOrderBy(detectionKeys, keyCount, byScore), detections, results.length),
    categoryStarts: startsOf(detectionKeys, useCats ? categories.size : 1, detections),
    truthBuckets: bucketsOf(truthKeys, truth, imageCount),
    detectionBuckets: bucketsOf(detectionKeys, detection, imageCount),
    unknownCategory: results.length - detection.known.length,
  };
}

/** Ids in ascending order, numbers before text, each with its place. */
function indexById(ids: Iterable<CocoId>): Map<CocoId, number> {
  const ordered = [...ids].sort((a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return a < b ? -1 : 1; // by code units, whatever the locale
  });
  return new Map(ordered.map((id, index) => [id, index]));
}

interface Indexed {
  /** Index of image and category of every record, -1 when unknown. */
  readonly image: Int32Array;
  readonly category: Int32Array;
  /** The records of which both are known, in file order. */
  readonly known: Int32Array;
}

function indexed(
  table: AnnotationTable | ResultTable,
  images: ReadonlyMap<CocoId, number>,
  categories: ReadonlyMap<CocoId, number>,
): Indexed {
  const image = new Int32Array(table.length);
  const category = new Int32Array(table.length);
  const known = new Int32Array(table.length);
  let count = 0;
  for (let i = 0; i < table.length; i++) {
    image[i] = images.get(table.imageIds[i] as CocoId) ?? -1;
    category[i] = categories.get(table.categoryIds[i] as CocoId) ?? -1;
    if ((image[i] as number) >= 0 && (category[i] as number) >= 0) known[count++] = i;
  }
  return { image, category, known: known.slice(0, count) };
}

function bucketsOf(keys: Int32Array, { image, category }: Indexed, imageCount: number): Float64Array {
  const buckets = new Float64Array(keys.length).fill(-1);
  for (let i = 0; i < keys.length; i++) {
    if ((image[i] as number) < 0 || (category[i] as number) < 0) continue;
    buckets[i] = (keys[i] as number) * imageCount + (image[i] as number);
  }
  return buckets;
}

/** Where each element of `elements` stands in `order`; both hold the same numbers below `bound`. */
function positionsIn(order: Int32Array, elements: Int32Array, bound: number): Int32Array {
  const position = new Int32Array(bound);
  for (let i = 0; i < order.length; i++) position[order[i] as number] = i;
  return elements.map((element) => position[element] as number);
}

function startsOf(keys: Int32Array, keyCount: number, order: Int32Array): Int32Array {
  const starts = new Int32Array(keyCount + 1);
  for (const element of order) {
    const key = keys[element] as number;
    starts[key + 1] = (starts[key + 1] as number) + 1;
  }
  for (let key = 0; key < keyCount; key++)
    starts[key + 1] = (starts[key + 1] as number) + (starts[key] as number);
  return starts;
}

function refuseUnknownImages(annotations: AnnotationTable, results: ResultTable, image: Int32Array): void {
  const unknown = image.indexOf(-1);
  if (unknown < 0) return;
  throw new VlmR1Error(
    "invalid-data",
    `${results.source}: result ${unknown}: "image_id" ${showValue(results.imageIds[unknown])} is none of the ` +
      `${annotations.images.size} images of ${annotations.source}. Evaluate against the annotations that the results were made for.`,
  );
}

/**
 * Stable orders by counting and radix passes: linear time, no comparisons, and ties keep the order they had.
 *
 * COCO's evaluation sorts stably everywhere (numpy's mergesort); these give the same permutations.
 */

/**
 * Reorders `order` so that `keys` (whole numbers in 0..keyCount-1, looked up by element) ascend; ties keep their
 * order.
 */
export function stableOrderBy(keys: Int32Array, keyCount: number, order: Int32Array): Int32Array {
  const next = new Int32Array(keyCount + 1);
  for (let i = 0; i < order.length; i++) {
    const key = keys[order[i] as number] as number;
    next[key + 1] = (next[key + 1] as number) + 1;
  }
  for (let key = 0; key < keyCount; key++) next[key + 1] = (next[key + 1] as number) + (next[key] as number);
  const sorted = new Int32Array(order.length);
  for (let i = 0; i < order.length; i++) {
    const element = order[i] as number;
    const key = keys[element] as number;
    const place = next[key] as number;
    next[key] = place + 1;
    sorted[place] = element;
  }
  return sorted;
}

/** Below this many elements two passes over 65536 counters cost more than comparing. */
const radixThreshold = 4096;

/** Reorders `order` so that the scores (finite, looked up by element) descend; ties keep their order. */
export function stableOrderByScore(scores: Float64Array, order: Int32Array): Int32Array {
  if (order.length < radixThreshold) {
    return order.slice().sort((a, b) => (scores[b] as number) - (scores[a] as number));
  }
  const { low, high } = descendingBits(scores);
  let sorted = order;
  for (const word of [low, high]) {
    for (const shift of [0, 16]) sorted = radixPass(word, shift, sorted);
  }
  return sorted;
}

/** Scores as 64-bit keys whose unsigned ascending order is the descending order of the numbers; -0 equals 0. */
function descendingBits(scores: Float64Array): { low: Uint32Array; high: Uint32Array } {
  const bits = new Uint32Array(scores.length * 2);
  const canonical = new Float64Array(bits.buffer);
  for (let i = 0; i < scores.length; i++) canonical[i] = (scores[i] as number) + 0;
  const littleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;
  const low = new Uint32Array(scores.length);
  const high = new Uint32Array(scores.length);
  for (let i = 0; i < scores.length; i++) {
    const upper = bits[2 * i + (littleEndian ? 1 : 0)] as number;
    const lower = bits[2 * i + (littleEndian ? 0 : 1)] as number;
    // A negative number's bits already grow as it falls; a positive one's magnitude is inverted.
    const isNegative = upper >>> 31 === 1;
    high[i] = isNegative ? upper : upper ^ 0x7fffffff;
    low[i] = isNegative ? lower : ~lower;
  }
  return { low, high };
}

function radixPass(words: Uint32Array, shift: number, order: Int32Array): Int32Array {
  const next = new Int32Array(65537);
  for (let i = 0; i < order.length; i++) {
    const digit = ((words[order[i] as number] as number) >>> shift) & 0xffff;
    next[digit + 1] = (next[digit + 1] as number) + 1;
  }
  for (let digit = 0; digit < 65536; digit++) {
    next[digit + 1] = (next[digit + 1] as number) + (next[digit] as number);
  }
  const sorted = new Int32Array(order.length);
  for (let i = 0; i < order.length; i++) {
    const element = order[i] as number;
    const digit = ((words[element] as number) >>> shift) & 0xffff;
    const place = next[digit] as number;
    next[digit] = place + 1;
    sorted[place] = element;
  }
  return sorted;
}
