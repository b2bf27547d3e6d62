import { open } from "node:fs/promises";
import { VlmR1Error } from "@vlmr1/core";
import { collectAnnotations, type AnnotationTable } from "./annotation-table.ts";
import { evaluateCoco, type CocoEvaluation, type CocoOptions } from "./coco.ts";
import { createRecordScanner, type RecordBatch } from "./record-scanner.ts";
import { collectResults, type ResultTable } from "./result-table.ts";

/** One read of a file: a piece's records are garbage before the next piece's are made. */
const pieceSize = 1 << 20;

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
  const add = { images: table.addImages, categories: table.addCategories, annotations: table.addAnnotations };
  const members = Object.keys(add) as (keyof typeof add)[];
  const seen = new Set<string>();
  for await (const { member, records } of readRecords(path, members)) {
    seen.add(member);
    add[member as keyof typeof add](records);
  }
  const missing = members.find((member) => !seen.has(member));
  if (missing === undefined) return table.finish();
  throw new VlmR1Error(
    "invalid-data",
    `${path}: there is no array "${missing}". A COCO instances file is an object with ${members.join(", ")}.`,
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
  for await (const { records } of readRecords(path, [""])) table.add(records);
  return table.finish();
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

async function* readRecords(path: string, members: readonly string[]): AsyncGenerator<RecordBatch> {
  const scanner = createRecordScanner(path, members);
  const file = await open(path).catch((cause: NodeJS.ErrnoException) => {
    throw new VlmR1Error(
      cause.code === "ENOENT" ? "not-found" : "unavailable",
      `${path} cannot be read: ${cause.message}.`,
      { cause },
    );
  });
  try {
    for (;;) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(pieceSize), 0, pieceSize);
      if (bytesRead === 0) break;
      yield* scanner.push(buffer.subarray(0, bytesRead));
    }
    scanner.end();
  } finally {
    await file.close();
  }
}
