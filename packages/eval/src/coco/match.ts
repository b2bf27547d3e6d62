import type { CocoLayout } from "./layout.ts";
import type { CocoOverlap } from "./overlap.ts";
import type { AnnotationTable } from "./tables.ts";

/** Inclusive bounds of an object's area in square pixels. */
export type AreaRange = readonly [low: number, high: number];

/** What matching depends on besides the data. */
export interface MatchSettings {
  readonly thresholds: readonly number[];
  readonly areaRanges: readonly AreaRange[];
  /** Detections of one image and category beyond this many, by score, are not looked at. */
  readonly maxDetections: number;
  /** Whether a detection matched to the annotation with id 0 counts as unmatched. */
  readonly zeroIdUnmatched: boolean;
}

/** The most thresholds that fit into one word of verdicts. */
export const maxThresholds = 32;

/**
 * The verdicts on all detections, by category and descending score ({@link CocoLayout.rankings}). A detection that is
 * neither right nor ignored is wrong.
 */
export interface CocoMatches {
  /** [areas, detections]: bit t says that the detection is right at threshold t. */
  readonly right: Uint32Array;
  /** [areas, detections]: bit t says that it counts for nothing at threshold t. */
  readonly ignored: Uint32Array;
  /** [detections]: the place of each among those of its image and category, by score, from 0. */
  readonly places: Int32Array;
  /** [categories, areas]: truths that are to be found (neither crowd nor outside the area range). */
  readonly truthCounts: Int32Array;
}

/** Matches detections to truths, image by image and category by category: `COCOeval.evaluateImg` of pycocotools. */
export function matchDetections(
  layout: CocoLayout,
  annotations: AnnotationTable,
  overlap: CocoOverlap,
  settings: MatchSettings,
): CocoMatches {
  const { truths, detections, rankings, truthBuckets, detectionBuckets, imageCount } = layout;
  const areaCount = settings.areaRanges.length;
  const matches: CocoMatches = {
    right: new Uint32Array(areaCount * detections.length),
    ignored: new Uint32Array(areaCount * detections.length),
    places: new Int32Array(detections.length),
    truthCounts: new Int32Array(layout.categoryIds.length * areaCount),
  };
  const judge = bucketJudge(annotations, overlap, settings, matches);
  let [t, d] = [0, 0];
  while (t < truths.length || d < detections.length) {
    const bucket = Math.min(bucketAt(truths, t, truthBuckets), bucketAt(detections, d, detectionBuckets));
    const [firstTruth, firstDetection] = [t, d];
    while (bucketAt(truths, t, truthBuckets) === bucket) t++;
    while (bucketAt(detections, d, detectionBuckets) === bucket) {
      matches.places[rankings[d] as number] = d - firstDetection;
      d++;
    }
    const inBucket = truths.subarray(firstTruth, t);
    countTruths(
      annotations,
      inBucket,
      settings.areaRanges,
      matches.truthCounts,
      Math.floor(bucket / imageCount),
    );
    const last = Math.min(d, firstDetection + settings.maxDetections);
    judge(detections.subarray(firstDetection, last), rankings.subarray(firstDetection, last), inBucket);
  }
  return matches;
}

function bucketAt(order: Int32Array, position: number, buckets: Float64Array): number {
  return position < order.length ? (buckets[order[position] as number] as number) : Infinity;
}

function countTruths(
  annotations: AnnotationTable,
  truths: Int32Array,
  areaRanges: readonly AreaRange[],
  counts: Int32Array,
  category: number,
): void {
  areaRanges.forEach((range, a) => {
    const at = category * areaRanges.length + a;
    for (const truth of truths) {
      if (!isIgnored(annotations, truth, range)) counts[at] = (counts[at] as number) + 1;
    }
  });
}

/** Truths that are to be found when each image counts `copies[image]` times. [categories, areas] */
export function countResampledTruths(
  { truths, truthBuckets, imageCount, categoryIds }: CocoLayout,
  annotations: AnnotationTable,
  areaRanges: readonly AreaRange[],
  copies: Int32Array,
): Int32Array {
  const counts = new Int32Array(categoryIds.length * areaRanges.length);
  for (const truth of truths) {
    const bucket = truthBuckets[truth] as number;
    const category = Math.floor(bucket / imageCount);
    const times = copies[bucket - category * imageCount] as number;
    if (times === 0) continue;
    areaRanges.forEach((range, a) => {
      const at = category * areaRanges.length + a;
      if (!isIgnored(annotations, truth, range)) counts[at] = (counts[at] as number) + times;
    });
  }
  return counts;
}

/** pycocotools overwrites a truth's own `ignore` field by `iscrowd`; so does this. */
function isIgnored({ crowd, areas }: AnnotationTable, truth: number, [low, high]: AreaRange): boolean {
  const area = areas[truth] as number;
  return crowd[truth] === 1 || area < low || area > high;
}

/** Judges the detections (by score) of one image and category against its truths, in all area ranges. */
function bucketJudge(
  annotations: AnnotationTable,
  overlap: CocoOverlap,
  settings: MatchSettings,
  { right, ignored, places }: CocoMatches,
): (detections: Int32Array, rankings: Int32Array, truths: Int32Array) => void {
  const { areaRanges, thresholds } = settings;
  let matrix = new Float64Array(1024);

  /** Writes the verdicts on matched detections over those of {@link ignoreOutside}. */
  function judgeRange(rankings: Int32Array, truths: Int32Array, a: number): void {
    const columns = countedFirst(annotations, truths, areaRanges[a] as AreaRange);
    const taken = new Uint8Array(truths.length);
    for (let t = 0; t < thresholds.length; t++) {
      taken.fill(0);
      const threshold = Math.min(thresholds[t] as number, 1 - 1e-10);
      for (let d = 0; d < rankings.length; d++) {
        const column = bestTruth(matrix, d * truths.length, columns, taken, threshold);
        if (column < 0) continue;
        taken[column] = 1;
        const at = a * places.length + (rankings[d] as number);
        const unmatched = settings.zeroIdUnmatched && annotations.ids[truths[column] as number] === 0;
        if (columns.ignored[column] === 1) {
          ignored[at] = (ignored[at] as number) | (1 << t);
        } else if (!unmatched) {
          right[at] = (right[at] as number) | (1 << t);
          ignored[at] = (ignored[at] as number) & ~(1 << t);
        }
      }
    }
  }

  return (detections, rankings, truths) => {
    const size = detections.length * truths.length;
    if (size > matrix.length) matrix = new Float64Array(2 * size);
    if (size > 0) overlap.fill(detections, truths, matrix);
    for (let a = 0; a < areaRanges.length; a++) {
      const ofRange = ignored.subarray(a * places.length);
      ignoreOutside(overlap.areas, detections, rankings, areaRanges[a] as AreaRange, ofRange);
      if (size > 0) judgeRange(rankings, truths, a);
    }
  };
}

/** A detection outside the area range is ignored, unless it is matched. */
function ignoreOutside(
  areas: Float64Array,
  detections: Int32Array,
  rankings: Int32Array,
  [low, high]: AreaRange,
  ignored: Uint32Array,
): void {
  for (let d = 0; d < detections.length; d++) {
    const area = areas[detections[d] as number] as number;
    if (area < low || area > high) ignored[rankings[d] as number] = 0xffffffff;
  }
}

interface TruthColumns {
  /** Columns of the overlap matrix: first the truths that count, then the ignored, each in file order. */
  readonly order: Int32Array;
  /** By column. */
  readonly ignored: Uint8Array;
  readonly crowd: Uint8Array;
}

function countedFirst(annotations: AnnotationTable, truths: Int32Array, range: AreaRange): TruthColumns {
  const order = new Int32Array(truths.length);
  const ignored = new Uint8Array(truths.length);
  const crowd = new Uint8Array(truths.length);
  let next = 0;
  for (let g = 0; g < truths.length; g++) {
    const truth = truths[g] as number;
    crowd[g] = annotations.crowd[truth] as number;
    ignored[g] = isIgnored(annotations, truth, range) ? 1 : 0;
    if (ignored[g] === 0) order[next++] = g;
  }
  for (let g = 0; g < truths.length; g++) if (ignored[g] === 1) order[next++] = g;
  return { order, ignored, crowd };
}

/**
 * The truth with the greatest overlap of at least `threshold` that is still free, or -1. Among equals the last wins;
 * a truth that counts goes before any ignored one; a crowd is never used up.
 */
function bestTruth(
  matrix: Float64Array,
  row: number,
  { order, ignored, crowd }: TruthColumns,
  taken: Uint8Array,
  threshold: number,
): number {
  let best = -1;
  let least = threshold;
  for (let k = 0; k < order.length; k++) {
    const column = order[k] as number;
    if (taken[column] === 1 && crowd[column] === 0) continue;
    if (best >= 0 && ignored[best] === 0 && ignored[column] === 1) break;
    const overlap = matrix[row + column] as number;
    if (overlap < least) continue;
    least = overlap;
    best = column;
  }
  return best;
}
