import { VlmR1Error } from "@vlmr1/core";
import { type CocoId, type AnnotationTable, recordCheck, type ResultTable } from "./tables.ts";
import { runsOfXywh } from "../mask/polygon.ts";
import { runsOfSegmentation } from "../mask/rle.ts";
import { boxedRuns, maskIou, type Runs, runsArea, runsBox, xywhIou } from "../mask/runs.ts";

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

/**
 * A reader of the mask of any row of a table. A detection that has a box and no mask stands for its box.
 *
 * @throws VlmR1Error `invalid-argument` when the table was made without masks; the reader throws `invalid-data`
 * naming the record.
 */
export function maskReader(
  noun: string,
  table: AnnotationTable | ResultTable,
  annotations: AnnotationTable,
): (index: number) => Runs {
  const { segmentations, source, kind } = table;
  if (!segmentations) {
    throw new VlmR1Error(
      "invalid-argument",
      `${source} was read without masks: read it with { masks: true }.`,
    );
  }
  return (index) => {
    const segmentation = segmentations[index];
    const place = `${source}: ${noun} ${index}`;
    try {
      if (segmentation === undefined || segmentation === null) {
        if (kind === "annotations") throw new VlmR1Error("invalid-data", "There is no mask.");
        const [height, width] = imageSize(table, index, annotations);
        return runsOfXywh([...table.boxes.subarray(4 * index, 4 * index + 4)], height, width);
      }
      if (!Array.isArray(segmentation)) return runsOfSegmentation(segmentation, 0, 0);
      return runsOfSegmentation(segmentation, ...imageSize(table, index, annotations));
    } catch (cause) {
      if (!VlmR1Error.is(cause)) throw cause;
      throw new VlmR1Error(cause.code, `${place}: "segmentation": ${cause.message}`, { cause });
    }
  };
}

function imageSize(
  table: AnnotationTable | ResultTable,
  index: number,
  { images, source }: AnnotationTable,
): [height: number, width: number] {
  const id = table.imageIds[index] as CocoId;
  const { width, height } = images.get(id) ?? { width: NaN, height: NaN };
  if (width > 0 && height > 0) return [height, width];
  throw new VlmR1Error(
    "invalid-data",
    `A mask given as polygons needs the size of its image, but image ${id} of ${source} has no positive whole width and height.`,
  );
}
