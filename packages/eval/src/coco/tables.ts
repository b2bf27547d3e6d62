import { showValue, VlmR1Error } from "@vlmr1/core";
import type { Segmentation } from "../mask/rle.ts";

/** A COCO instances file, as far as evaluation reads it. Other members are ignored. */
export interface CocoFile {
  readonly images: readonly CocoImage[];
  readonly annotations: readonly CocoAnnotation[];
  readonly categories: readonly CocoCategory[];
}

/** The name of an image or a category: mostly a number; text works, too, as it does in pycocotools. */
export type CocoId = number | string;

/** A column of ids: numbers in 8 bytes each, unless one is text. */
export type IdColumn = Float64Array | readonly CocoId[];

/** One image of a COCO file. Its size counts only where a mask is given as polygons or a box. */
export interface CocoImage {
  readonly id: CocoId;
  readonly width?: number;
  readonly height?: number;
  readonly file_name?: string;
}

/** One category of a COCO file; ids need not be contiguous. */
export interface CocoCategory {
  readonly id: CocoId;
  readonly name?: string;
}

/** One true object. */
export interface CocoAnnotation {
  /** Unique in the file. */
  readonly id: number;
  readonly image_id: CocoId;
  readonly category_id: CocoId;
  /** [x, y, width, height] in pixels; needed for `iouType: "bbox"`. */
  readonly bbox?: readonly number[];
  /** Pixels of the object (in COCO: of its mask). It decides the area range. */
  readonly area: number;
  /** 1 for a region of many objects: detections inside are neither right nor wrong. Default 0. */
  readonly iscrowd?: number | boolean;
  /** Needed for `iouType: "segm"`. */
  readonly segmentation?: Segmentation;
}

/**
 * One detection of a COCO results file. The first of a file decides: with a `bbox`, areas are box areas, without,
 * mask areas.
 */
export interface CocoResult {
  readonly image_id: CocoId;
  readonly category_id: CocoId;
  /** Any finite number; higher is surer. */
  readonly score: number;
  /** [x, y, width, height] in pixels. */
  readonly bbox?: readonly number[];
  readonly segmentation?: Segmentation;
}

/**
 * The annotations of a COCO file in columns: what the evaluation works on, in a tenth of the memory of the parsed
 * file.
 */
export interface AnnotationTable {
  readonly kind: "annotations";
  /** What errors call it: the file's path, or "annotations". */
  readonly source: string;
  readonly length: number;
  readonly ids: Float64Array;
  readonly imageIds: IdColumn;
  readonly categoryIds: IdColumn;
  /** [length, 4]: x, y, width, height; NaN where an annotation has no box. */
  readonly boxes: Float64Array;
  readonly areas: Float64Array;
  /** 1 for crowd regions. */
  readonly crowd: Uint8Array;
  /** Masks as the file gives them; undefined when the table was made without. */
  readonly segmentations: readonly unknown[] | undefined;
  /** Sizes by image id; NaN where the file has none. */
  readonly images: ReadonlyMap<CocoId, { readonly width: number; readonly height: number }>;
  /** Names by category id. */
  readonly categories: ReadonlyMap<CocoId, string>;
}

/** A table in the making; records come in batches, in file order. */
export interface AnnotationCollector {
  addImages(records: readonly unknown[]): void;
  addCategories(records: readonly unknown[]): void;
  addAnnotations(records: readonly unknown[]): void;
  finish(): AnnotationTable;
}

/**
 * Columns of a parsed COCO file; `masks` keeps segmentations, which `iouType: "segm"` needs.
 *
 * @throws VlmR1Error `invalid-data` naming record, field and value.
 */
export function tabulateAnnotations(file: CocoFile, masks: boolean): AnnotationTable {
  for (const member of ["images", "categories", "annotations"] as const) {
    if (Array.isArray(file[member])) continue;
    throw new VlmR1Error(
      "invalid-data",
      `annotations: "${member}" must be an array, got ${showValue(file[member])}. ` +
        `A COCO file has images, categories and annotations.`,
    );
  }
  const collector = collectAnnotations("annotations", masks);
  collector.addImages(file.images);
  collector.addCategories(file.categories);
  collector.addAnnotations(file.annotations);
  return collector.finish();
}

/** Starts an empty table. Its methods throw VlmR1Error `invalid-data` naming source, record, field and value. */
export function collectAnnotations(source: string, masks: boolean): AnnotationCollector {
  const images = new Map<CocoId, { width: number; height: number }>();
  const categories = new Map<CocoId, string>();
  const objects = collectObjects(source, masks);
  const image = recordCheck(source, "image");
  const category = recordCheck(source, "category");
  let [imageCount, categoryCount] = [0, 0];
  return {
    addImages(records) {
      for (const record of records) {
        const id = image.id(record, imageCount++, "id");
        const { width, height } = record as { width?: unknown; height?: unknown };
        images.set(id, { width: sizeOf(width), height: sizeOf(height) });
      }
    },
    addCategories(records) {
      for (const record of records) {
        const id = category.id(record, categoryCount++, "id");
        const { name } = record as { name?: unknown };
        categories.set(id, typeof name === "string" ? name : String(id));
      }
    },
    addAnnotations: objects.add,
    finish() {
      const columns = objects.finish();
      const row = columns.categoryIds.findIndex((id) => typeof id === "string" && !categories.has(id));
      if (row >= 0) {
        const record = { id: columns.ids[row], category_id: columns.categoryIds[row] };
        recordCheck(source, "annotation").refuse(record, row, "category_id", 'the id of one of "categories"');
      }
      return { kind: "annotations", source, images, categories, ...columns };
    },
  };
}

type ObjectColumns = Omit<AnnotationTable, "kind" | "source" | "images" | "categories">;

function collectObjects(
  source: string,
  masks: boolean,
): { add(records: readonly unknown[]): void; finish(): ObjectColumns } {
  const ids: number[] = [];
  const imageIds: CocoId[] = [];
  const categoryIds: CocoId[] = [];
  const boxes: number[] = [];
  const areas: number[] = [];
  const crowd: number[] = [];
  const segmentations: unknown[] = [];
  const recordOfId = new Map<number, number>();
  const { number, id: idOf, xywh, refuse } = recordCheck(source, "annotation");
  let count = 0;
  const addOne = (record: unknown): void => {
    const id = number(record, count, "id");
    const first = recordOfId.get(id);
    if (first !== undefined) refuse(record, count, "id", `unique, but annotation ${first} has it too`);
    recordOfId.set(id, count);
    ids.push(id);
    imageIds.push(idOf(record, count, "image_id"));
    categoryIds.push(idOf(record, count, "category_id"));
    areas.push(number(record, count, "area"));
    const box = xywh(record, count, "bbox");
    for (let i = 0; i < 4; i++) boxes.push(box?.[i] ?? NaN);
    const { iscrowd, segmentation } = record as CocoAnnotation;
    if (iscrowd !== undefined && iscrowd !== null && !isFlag(iscrowd))
      refuse(record, count, "iscrowd", "0 or 1");
    crowd.push(Number(iscrowd ?? 0));
    if (masks) segmentations.push(segmentation);
    count++;
  };
  return {
    add: (records) => records.forEach(addOne),
    finish: () => ({
      length: count,
      ids: new Float64Array(ids),
      imageIds: idColumn(imageIds),
      categoryIds: idColumn(categoryIds),
      boxes: new Float64Array(boxes),
      areas: new Float64Array(areas),
      crowd: new Uint8Array(crowd),
      segmentations: masks ? segmentations : undefined,
    }),
  };
}

function isFlag(value: unknown): boolean {
  return value === 0 || value === 1 || typeof value === "boolean";
}

function sizeOf(value: unknown): number {
  return Number.isInteger(value) && (value as number) > 0 ? (value as number) : NaN;
}

/** The detections of a COCO results file in columns. */
export interface ResultTable {
  readonly kind: "results";
  /** What errors call it: the file's path, or "results". */
  readonly source: string;
  readonly length: number;
  readonly imageIds: IdColumn;
  readonly categoryIds: IdColumn;
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
  const imageIds: CocoId[] = [];
  const categoryIds: CocoId[] = [];
  const boxes: number[] = [];
  const scores: number[] = [];
  const segmentations: unknown[] = [];
  const { number, id: idOf, xywh, refuse } = recordCheck(source, "result");
  let fromMasks = false;
  let count = 0;
  const addOne = (record: unknown): void => {
    imageIds.push(idOf(record, count, "image_id"));
    categoryIds.push(idOf(record, count, "category_id"));
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
      imageIds: idColumn(imageIds),
      categoryIds: idColumn(categoryIds),
      boxes: new Float64Array(boxes),
      scores: new Float64Array(scores),
      fromMasks,
      segmentations: masks || fromMasks ? segmentations : undefined,
    }),
  };
}

/** The table of some of a table's rows, in the given order. */
export function selectResults(table: ResultTable, rows: readonly number[]): ResultTable {
  const pick = (column: Float64Array): Float64Array =>
    Float64Array.from(rows, (row) => column[row] as number);
  const pickIds = (column: IdColumn): IdColumn => idColumn(rows.map((row) => column[row] as CocoId));
  return {
    ...table,
    length: rows.length,
    imageIds: pickIds(table.imageIds),
    categoryIds: pickIds(table.categoryIds),
    boxes: Float64Array.from(
      { length: 4 * rows.length },
      (_, i) => table.boxes[4 * (rows[i >> 2] as number) + (i & 3)] as number,
    ),
    scores: pick(table.scores),
    segmentations: table.segmentations && rows.map((row) => table.segmentations?.[row]),
  };
}

function idColumn(ids: readonly CocoId[]): IdColumn {
  return ids.every((id) => typeof id === "number") ? new Float64Array(ids) : ids;
}

/** Reads the fields of one kind of record; a wrong field is an error that names file, record, field and value. */
export interface RecordCheck {
  /** A finite number. */
  number(record: unknown, index: number, field: string): number;
  /** An id: a number that has lost no digits, or text. */
  id(record: unknown, index: number, field: string): CocoId;
  /** Four finite numbers [x, y, width, height], or undefined where the field is absent, null or []. */
  xywh(record: unknown, index: number, field: string): readonly number[] | undefined;
  /** Throws the error that this record is refused with. */
  refuse(record: unknown, index: number, field: string, expected: string): never;
}

/** @param source file name or the like; @param noun what one record is called. */
export function recordCheck(source: string, noun: string): RecordCheck {
  const refuse = (record: unknown, index: number, field: string, expected: string): never => {
    const isRecord = typeof record === "object" && record !== null;
    const found = isRecord ? (record as Record<string, unknown>)[field] : record;
    const place = isRecord ? `${noun} ${index}${nameOf(record)}: "${field}"` : `${noun} ${index}`;
    const wanted = isRecord ? expected : `an object with "${field}"`;
    throw new VlmR1Error("invalid-data", `${source}: ${place} must be ${wanted}, got ${showValue(found)}.`);
  };
  const number = (record: unknown, index: number, field: string): number => {
    const value = (record as Record<string, unknown> | null | undefined)?.[field];
    return typeof value === "number" && Number.isFinite(value)
      ? value
      : refuse(record, index, field, "a finite number");
  };
  const id = (record: unknown, index: number, field: string): CocoId => {
    const value = (record as Record<string, unknown> | null | undefined)?.[field];
    if (typeof value === "string" && value !== "") return value;
    if (typeof value !== "number") return refuse(record, index, field, "a number or text");
    if (Math.abs(value) <= Number.MAX_SAFE_INTEGER) return value;
    return refuse(record, index, field, "below 2^53, where numbers lose digits (text in quotes loses none)");
  };
  const xywh = (record: unknown, index: number, field: string): readonly number[] | undefined => {
    const value = (record as Record<string, unknown> | null | undefined)?.[field];
    if (value === undefined || value === null) return undefined;
    if (!Array.isArray(value))
      return refuse(record, index, field, "four finite numbers [x, y, width, height]");
    if (value.length === 0) return undefined;
    for (let i = 0; i < 4; i++) {
      if (typeof value[i] === "number" && Number.isFinite(value[i]) && value.length === 4) continue;
      return refuse(record, index, field, "four finite numbers [x, y, width, height]");
    }
    return value as number[];
  };
  return { number, id, xywh, refuse };
}

function nameOf(record: object): string {
  const { id } = record as { id?: unknown };
  return typeof id === "number" || typeof id === "string" ? ` (id ${id})` : "";
}
