import type { AnnotationTable } from "./annotation-table.ts";
import { maskReader } from "./coco-mask.ts";
import { recordCheck } from "./record-check.ts";
import type { ResultTable } from "./result-table.ts";
import { runsArea, runsBox, runsIou, type Runs } from "./rle-runs.ts";

/** What is compared: boxes, or masks. */
export type IouType = "bbox" | "segm";

/** Overlaps and sizes of the objects of two tables. */
export interface CocoOverlap {
  /** Fills `matrix` [detections, truths] with the overlap of each pair; indices are rows of the tables. */
  fill(detections: Int32Array, truths: Int32Array, matrix: Float64Array): void;
  /** The area of every detection, in pixels: of its box, or of its mask when the results have no boxes. */
  readonly areas: Float64Array;
}

/**
 * Prepares the overlaps of one evaluation.
 *
 * @throws VlmR1Error `invalid-data` when a box or mask is missing or malformed, naming source and record.
 */
export function cocoOverlap(
  annotations: AnnotationTable,
  results: ResultTable,
  iouType: IouType,
): CocoOverlap {
  const { boxes, areas } = detectionGeometry(annotations, results);
  if (iouType === "segm") {
    const detectionMask = maskReader("result", results, annotations);
    const truthMask = maskReader("annotation", annotations, annotations);
    return { areas, fill: maskOverlaps(detectionMask, truthMask, annotations.crowd) };
  }
  const missing = annotations.boxes.findIndex(Number.isNaN);
  if (missing >= 0) {
    const index = missing >> 2;
    recordCheck(annotations.source, "annotation").refuse(
      { id: annotations.ids[index] },
      index,
      "bbox",
      "four finite numbers [x, y, width, height]",
    );
  }
  return { areas, fill: boxOverlaps(boxes, annotations.boxes, annotations.crowd) };
}

function detectionGeometry(
  annotations: AnnotationTable,
  results: ResultTable,
): { boxes: Float64Array; areas: Float64Array } {
  const areas = new Float64Array(results.length);
  if (!results.fromMasks) {
    const { boxes } = results;
    for (let i = 0; i < results.length; i++) {
      areas[i] = (boxes[4 * i + 2] as number) * (boxes[4 * i + 3] as number);
    }
    return { boxes, areas };
  }
  const boxes = results.boxes.slice();
  const maskOf = maskReader("result", results, annotations);
  for (let i = 0; i < results.length; i++) {
    const mask = maskOf(i);
    areas[i] = runsArea(mask);
    if (Number.isNaN(boxes[4 * i])) boxes.set(runsBox(mask), 4 * i);
  }
  return { boxes, areas };
}

function boxOverlaps(detected: Float64Array, actual: Float64Array, crowd: Uint8Array): CocoOverlap["fill"] {
  return (detections, truths, matrix) => {
    for (let d = 0; d < detections.length; d++) {
      const detection = 4 * (detections[d] as number);
      for (let g = 0; g < truths.length; g++) {
        const truth = truths[g] as number;
        matrix[d * truths.length + g] = xywhIou(detected, detection, actual, 4 * truth, crowd[truth] === 1);
      }
    }
  };
}

/** `bbIou` of maskApi.c for two boxes [x, y, width, height] that start at `i` and `j`; for a crowd, over the detection's area. */
export function xywhIou(a: Float64Array, i: number, b: Float64Array, j: number, crowd: boolean): number {
  const [x1, y1, w1, h1] = [a[i] as number, a[i + 1] as number, a[i + 2] as number, a[i + 3] as number];
  const [x2, y2, w2, h2] = [b[j] as number, b[j + 1] as number, b[j + 2] as number, b[j + 3] as number];
  const width = Math.min(w1 + x1, w2 + x2) - Math.max(x1, x2);
  if (width <= 0) return 0;
  const height = Math.min(h1 + y1, h2 + y2) - Math.max(y1, y2);
  if (height <= 0) return 0;
  const intersection = width * height;
  return intersection / (crowd ? w1 * h1 : w1 * h1 + w2 * h2 - intersection);
}

/** Masks are read when their image is reached and dropped after it, so that memory does not grow with the file. */
function maskOverlaps(
  detectionMask: (index: number) => Runs,
  truthMask: (index: number) => Runs,
  crowd: Uint8Array,
): CocoOverlap["fill"] {
  return (detections, truths, matrix) => {
    const columns = Array.from(truths, (truth) => withBox(truthMask(truth)));
    for (let d = 0; d < detections.length; d++) {
      const row = withBox(detectionMask(detections[d] as number));
      columns.forEach((column, g) => {
        const near = xywhIou(row.box, 0, column.box, 0, false) > 0;
        matrix[d * truths.length + g] = near
          ? runsIou(row.runs, column.runs, crowd[truths[g] as number] === 1)
          : 0;
      });
    }
  };
}

function withBox(runs: Runs): { runs: Runs; box: Float64Array } {
  return { runs, box: Float64Array.from(runsBox(runs)) };
}
