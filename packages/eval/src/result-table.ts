import { VlmR1Error } from "@vlmr1/core";
import type { CocoResult } from "./coco-format.ts";
import { numberColumn } from "./number-column.ts";
import { recordCheck, showValue } from "./record-check.ts";

/** The detections of a COCO results file in columns. */
export interface ResultTable {
  readonly kind: "results";
  /** What errors call it: the file's path, or "results". */
  readonly source: string;
  readonly length: number;
  readonly imageIds: Float64Array;
  readonly categoryIds: Float64Array;
  /** [length, 4]: x, y, width, height; NaN where a detection has no box. */
  readonly boxes: Float64Array;
  readonly scores: Float64Array;
  /**
   * Whether the first detection has no box: then areas (and the boxes that are missing) come from the masks, as in
   * pycocotools.
   */
  readonly fromMasks: boolean;
  /** Masks as the file gives them; undefined when the table was made without. */
  readonly segmentations: readonly unknown[] | undefined;
}

/** A table in the making; records come in batches, in file order. */
export interface ResultCollector {
  add(records: readonly unknown[]): void;
  finish(): ResultTable;
}

/**
 * Columns of parsed COCO results; `masks` keeps segmentations, which `iouType: "segm"` needs.
 *
 * @throws VlmR1Error `invalid-data` naming record, field and value.
 */
export function tabulateResults(results: readonly CocoResult[], masks: boolean): ResultTable {
  if (!Array.isArray(results)) {
    throw new VlmR1Error(
      "invalid-data",
      `results must be an array of detections, got ${showValue(results)}: COCO results are [{ image_id, category_id, bbox, score }, ...].`,
    );
  }
  const collector = collectResults("results", masks);
  collector.add(results);
  return collector.finish();
}

/** Starts an empty table. Its `add` throws VlmR1Error `invalid-data` naming source, record, field and value. */
export function collectResults(source: string, masks: boolean): ResultCollector {
  const [imageIds, categoryIds] = [numberColumn(), numberColumn()];
  const [boxes, scores] = [numberColumn(), numberColumn()];
  const segmentations: unknown[] = [];
  const { number, xywh, refuse } = recordCheck(source, "result");
  let fromMasks = false;
  let count = 0;
  const addOne = (record: unknown): void => {
    imageIds.push(number(record, count, "image_id"));
    categoryIds.push(number(record, count, "category_id"));
    scores.push(number(record, count, "score"));
    const box = xywh(record, count, "bbox");
    const { segmentation } = record as CocoResult;
    if (count === 0) fromMasks = box === undefined && segmentation !== undefined;
    if (!box && !fromMasks)
      refuse(record, count, "bbox", "four numbers [x, y, width, height], as in the first result");
    if (fromMasks && !segmentation) refuse(record, count, "segmentation", "a mask, as in the first result");
    for (let i = 0; i < 4; i++) boxes.push(box?.[i] ?? NaN);
    if (masks || fromMasks) segmentations.push(segmentation);
    count++;
  };
  return {
    add: (records) => records.forEach(addOne),
    finish: () => ({
      kind: "results",
      source,
      length: count,
      imageIds: imageIds.finish(),
      categoryIds: categoryIds.finish(),
      boxes: boxes.finish(),
      scores: scores.finish(),
      fromMasks,
      segmentations: masks || fromMasks ? segmentations : undefined,
    }),
  };
}

/** The table of some of a table's rows, in the given order. */
export function selectResults(table: ResultTable, rows: readonly number[]): ResultTable {
  const pick = (column: Float64Array): Float64Array =>
    Float64Array.from(rows, (row) => column[row] as number);
  return {
    ...table,
    length: rows.length,
    imageIds: pick(table.imageIds),
    categoryIds: pick(table.categoryIds),
    boxes: Float64Array.from(
      { length: 4 * rows.length },
      (_, i) => table.boxes[4 * (rows[i >> 2] as number) + (i & 3)] as number,
    ),
    scores: pick(table.scores),
    segmentations: table.segmentations && rows.map((row) => table.segmentations?.[row]),
  };
}
