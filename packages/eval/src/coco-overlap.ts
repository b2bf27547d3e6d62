import type { AnnotationTable } from "./annotation-table.ts";
import { maskReader } from "./coco-mask.ts";
import { boxedRuns, maskIou, xywhIou } from "./mask-overlap.ts";
import { recordCheck } from "./record-check.ts";
import type { ResultTable } from "./result-table.ts";
import { runsArea, runsBox, type Runs } from "./rle-runs.ts";

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

/** Masks are read when their image is reached and dropped after it, so that memory does not grow with the file. */
function maskOverlaps(
  detectionMask: (index: number) => Runs,
  truthMask: (index: number) => Runs,
  crowd: Uint8Array,
): CocoOverlap["fill"] {
  return (detections, truths, matrix) => {
    const columns = Array.from(truths, (truth) => boxedRuns(truthMask(truth)));
    for (let d = 0; d < detections.length; d++) {
      const row = boxedRuns(detectionMask(detections[d] as number));
      columns.forEach((column, g) => {
        matrix[d * truths.length + g] = maskIou(row, column, crowd[truths[g] as number] === 1);
      });
    }
  };
}
