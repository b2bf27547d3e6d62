import { VlmR1Error } from "@vlmr1/core";
import { scanJsonRecords } from "@vlmr1/core/files";
import { type CocoEvaluation, type CocoOptions, evaluateCoco } from "./coco/average-precision.ts";
import { type AnnotationTable, collectAnnotations, collectResults, type ResultTable } from "./coco/tables.ts";

/** What to read of a COCO file. */
export interface CocoReadOptions {
  /** Keep masks: needed for `iouType: "segm"`. Default false. */
  readonly masks?: boolean;
}

/**
 * Reads a COCO instances file of any size into a table, a megabyte at a time.
 *
 * @throws VlmR1Error `not-found` when there is no such file, `invalid-data` naming file, record, field and value.
 */
export async function readCocoAnnotations(
  path: string,
  { masks = false }: CocoReadOptions = {},
): Promise<AnnotationTable> {
  const table = collectAnnotations(path, masks);
  const members = {
    images: table.addImages,
    categories: table.addCategories,
    annotations: table.addAnnotations,
  };
  const counts = await scanJsonRecords(path, members);
  const missing = Object.keys(members).find((member) => !counts.has(member));
  if (missing === undefined) return table.finish();
  throw new VlmR1Error(
    "invalid-data",
    `${path}: there is no array "${missing}". A COCO instances file is an object with ${Object.keys(members).join(", ")}.`,
  );
}

/**
 * Reads a COCO results file of any size into a table, a megabyte at a time.
 *
 * @throws VlmR1Error `not-found` when there is no such file, `invalid-data` naming file, record, field and value.
 */
export async function readCocoResults(
  path: string,
  { masks = false }: CocoReadOptions = {},
): Promise<ResultTable> {
  const table = collectResults(path, masks);
  const counts = await scanJsonRecords(path, { "": table.add });
  if (counts.has("")) return table.finish();
  throw new VlmR1Error(
    "invalid-data",
    `${path}: the top of the file must be an array of detections, got an object.`,
  );
}

/**
 * Evaluates a COCO results file against an instances file: {@link evaluateCoco} on what {@link readCocoAnnotations} and
 * {@link readCocoResults} read.
 */
export async function evaluateCocoFiles(
  input: { readonly annotations: string; readonly results: string } & CocoOptions,
): Promise<CocoEvaluation> {
  const masks = input.iouType === "segm";
  const annotations = await readCocoAnnotations(input.annotations, { masks });
  const results = await readCocoResults(input.results, { masks });
  return evaluateCoco({ ...input, annotations, results });
}
