import { VlmR1Error } from "@vlmr1/core";
import { tabulateAnnotations, type AnnotationTable } from "./annotation-table.ts";
import type { CocoFile, CocoResult } from "./coco-format.ts";
import { evaluateCoco, type CocoEvaluation, type CocoOptions } from "./coco.ts";
import { xywhIou } from "./mask-overlap.ts";
import { selectResults, tabulateResults, type ResultTable } from "./result-table.ts";

/** The outcome of {@link evaluateNmsAp}. */
export interface NmsApEvaluation extends CocoEvaluation {
  /** The results that survived, by their place among all, ascending. */
  readonly kept: readonly number[];
}

/**
 * OVDEval's NMS-AP: COCO AP after all but the surest of the predictions on one true box, whatever their labels, are
 * dropped.
 *
 * It stops a model from gaining AP by giving one box every label. For each true box of an image, the predictions of
 * any label with IoU > `nmsThreshold` (0.5) compete; the highest score stays (of equal scores the last, as numpy's
 * reversed argsort has it), the others go unless they win elsewhere. Yao et al. 2023, *How to Evaluate the
 * Generalization of Detection?*; OVDEval `eval.py`.
 *
 * @throws VlmR1Error as {@link evaluateCoco} does.
 */
export function evaluateNmsAp(
  input: {
    readonly annotations: CocoFile | AnnotationTable;
    readonly results: readonly CocoResult[] | ResultTable;
    /** IoU above which predictions compete for a true box. Default 0.5. */
    readonly nmsThreshold?: number;
  } & Omit<CocoOptions, "iouType">,
): NmsApEvaluation {
  const annotations =
    "kind" in input.annotations ? input.annotations : tabulateAnnotations(input.annotations, false);
  const results = "kind" in input.results ? input.results : tabulateResults(input.results, false);
  const kept = survivors(annotations, results, input.nmsThreshold ?? 0.5);
  const evaluation = evaluateCoco({
    ...input,
    annotations,
    results: selectResults(results, kept),
    iouType: "bbox",
  });
  return { ...evaluation, kept };
}

function survivors(annotations: AnnotationTable, results: ResultTable, threshold: number): number[] {
  if (results.boxes.some(Number.isNaN) || annotations.boxes.some(Number.isNaN)) {
    throw new VlmR1Error(
      "invalid-data",
      `NMS-AP compares boxes: every record of ${annotations.source} and ${results.source} needs a "bbox".`,
    );
  }
  const predictions = rowsByImage(results);
  const winners = new Set<number>();
  const losers = new Set<number>();
  for (const [image, truths] of rowsByImage(annotations)) {
    for (const truth of truths) {
      const rivals = (predictions.get(image) ?? []).filter(
        (row) => xywhIou(annotations.boxes, 4 * truth, results.boxes, 4 * row, false) > threshold,
      );
      const winner = surest(rivals, results.scores);
      if (winner !== undefined) winners.add(winner);
      for (const row of rivals) if (row !== winner) losers.add(row);
    }
  }
  return Array.from({ length: results.length }, (_, row) => row).filter(
    (row) => winners.has(row) || !losers.has(row),
  );
}

function rowsByImage({ imageIds }: AnnotationTable | ResultTable): Map<number, number[]> {
  const rows = new Map<number, number[]>();
  imageIds.forEach((image, row) => {
    const list = rows.get(image);
    if (list) list.push(row);
    else rows.set(image, [row]);
  });
  return rows;
}

function surest(rows: readonly number[], scores: Float64Array): number | undefined {
  let best = rows[0];
  for (const row of rows) if ((scores[row] as number) >= (scores[best as number] as number)) best = row;
  return best;
}
