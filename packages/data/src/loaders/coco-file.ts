import type { Buffer } from "node:buffer";
import { showValue, type VlmR1Error } from "@vlmr1/core";
import {
  type ArrayReader,
  type Fields,
  fieldsOf,
  fourNumbersAt,
  invalidData,
  type JsonElement,
  locateFields,
  numberAt,
  placeOf,
  readRange,
  scanJsonFile,
  skipValue,
  stringAt,
} from "@vlmr1/core/files";
import type { SkipLog } from "../dataset/bad-samples.ts";

/** One image of a COCO file. */
export interface CocoImage {
  readonly id: number;
  readonly fileName: string;
  readonly width: number;
  readonly height: number;
  /** OVDEval's labels of the image: those that are there (`text`) and hard ones that are not (`neg_text`). */
  readonly text?: readonly string[];
  readonly negativeText?: readonly string[];
}

/** The annotations of a COCO file as columns, one number each: objects would take five times the memory. */
export interface CocoAnnotations {
  readonly id: number[];
  readonly imageId: number[];
  readonly categoryId: number[];
  /** x, y, width, height: four numbers an annotation. */
  readonly bbox: number[];
  readonly area: number[];
  readonly crowd: number[];
  /** Begin and end of the segmentation's JSON in the file, -1 when there is none: two numbers an annotation. */
  readonly segmentation: number[];
  /** Position in the file's list, for errors. */
  readonly ordinal: number[];
}

/** What a COCO instances file holds, ready for random access; the segmentations stay on disk. */
export interface CocoIndex {
  readonly path: string;
  readonly images: readonly CocoImage[];
  /** Row of each image id in `images`. */
  readonly imageRows: ReadonlyMap<number, number>;
  readonly annotations: CocoAnnotations;
  /** Category names by id, in the file's order. */
  readonly categories: ReadonlyMap<number, string>;
  /** Ids of images of which an annotation was left out: what is left does not tell the truth about them. */
  readonly incomplete: ReadonlySet<number>;
}

/**
 * Streams a COCO instances file into an index: a file of 300 MB needs a few dozen MB.
 * @throws VlmR1Error `invalid-data` naming the record and field, unless `log` skips bad records.
 */
export async function indexCoco(path: string, log: SkipLog): Promise<CocoIndex> {
  const images: CocoImage[] = [];
  const imageRows = new Map<number, number>();
  const categories = new Map<number, string>();
  const annotations = emptyAnnotations();
  const incomplete = new Set<number>();
  const counts = await scanJsonFile(path, {
    images: recordReader(IMAGE, log, (record) => addImage(record, images, imageRows)),
    annotations: recordReader(
      ANNOTATION,
      log,
      (record) => addAnnotation(record, annotations),
      (record) => incomplete.add(rawNumber(record, 1)),
    ),
    categories: recordReader(CATEGORY, log, (record) => addCategory(record, categories)),
  });
  for (const key of ["images", "annotations", "categories"]) {
    if (!counts.has(key)) {
      throw invalidData({
        file: path,
        problem: `there is no list "${key}"; a COCO instances file has images, annotations and categories`,
      });
    }
  }
  return { path, images, imageRows, annotations, categories, incomplete };
}

const IMAGE = fieldsOf("id", "file_name", "width", "height", "text", "neg_text");
const ANNOTATION = fieldsOf("id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation");
const CATEGORY = fieldsOf("id", "name");

/** A record whose wanted fields have been located in the bytes at hand. */
interface LocatedRecord {
  readonly bytes: Buffer;
  readonly fields: Fields;
  readonly element: JsonElement;
}

function recordReader(
  fields: Fields,
  log: SkipLog,
  add: (record: LocatedRecord) => void,
  leaveOut?: (record: LocatedRecord) => void,
): ArrayReader {
  const read: ArrayReader["element"] = (bytes, position, end, element) => {
    if (bytes[position] !== 0x7b) {
      const next = skipValue(bytes, position, end);
      if (next >= 0)
        log.note(
          invalidData({ file: element.file, place: placeOf(element), problem: "this should be an object" }),
        );
      return next;
    }
    const next = locateFields(bytes, position, end, fields);
    if (next < 0) return next;
    const record = { bytes, fields, element };
    try {
      add(record);
    } catch (error) {
      log.note(error);
      if (has(record, 1)) leaveOut?.(record);
    }
    return next;
  };
  return { element: read };
}

function addImage(record: LocatedRecord, images: CocoImage[], rows: Map<number, number>): void {
  const id = integer(record, 0);
  if (rows.has(id)) throw wrong(record, 0, "another image has this id; ids must be unique");
  const fileName = text(record, 1);
  const width = integer(record, 2);
  const height = integer(record, 3);
  if (width < 1) throw wrong(record, 2, "a width should be at least 1 pixel");
  if (height < 1) throw wrong(record, 3, "a height should be at least 1 pixel");
  const positive = has(record, 4) ? { text: names(record, 4) } : {};
  const negative = has(record, 5) ? { negativeText: names(record, 5) } : {};
  rows.set(id, images.length);
  images.push({ id, fileName, width, height, ...positive, ...negative });
}

const box = new Float64Array(4);

function addAnnotation(record: LocatedRecord, columns: CocoAnnotations): void {
  const { bytes, fields, element } = record;
  const id = integer(record, 0);
  const imageId = integer(record, 1);
  const categoryId = integer(record, 2);
  if (!has(record, 3) || !fourNumbersAt(bytes, fields.spans[6]!, fields.spans[7]!, box)) {
    throw wrong(record, 3, "a bbox should be [x, y, width, height], four numbers");
  }
  if (box[2]! < 0 || box[3]! < 0) throw wrong(record, 3, "a bbox's width and height should not be negative");
  const area = has(record, 4) ? number(record, 4) : box[2]! * box[3]!;
  const crowd = has(record, 5) ? flag(record, 5) : 0;
  columns.id.push(id);
  columns.imageId.push(imageId);
  columns.categoryId.push(categoryId);
  for (const coordinate of box) columns.bbox.push(coordinate);
  columns.area.push(area);
  columns.crowd.push(crowd);
  columns.segmentation.push(has(record, 6) ? element.origin + fields.spans[12]! : -1);
  columns.segmentation.push(has(record, 6) ? element.origin + fields.spans[13]! : -1);
  columns.ordinal.push(element.index);
}

function addCategory(record: LocatedRecord, categories: Map<number, string>): void {
  const id = integer(record, 0);
  if (categories.has(id)) throw wrong(record, 0, "another category has this id; ids must be unique");
  categories.set(id, text(record, 1));
}

function emptyAnnotations(): CocoAnnotations {
  return {
    id: [],
    imageId: [],
    categoryId: [],
    bbox: [],
    area: [],
    crowd: [],
    segmentation: [],
    ordinal: [],
  };
}

function has({ fields }: LocatedRecord, field: number): boolean {
  return fields.spans[2 * field]! >= 0;
}

function number(record: LocatedRecord, field: number): number {
  const value = rawNumber(record, field);
  if (Number.isFinite(value)) return value;
  throw wrong(record, field, "this should be a finite number");
}

function rawNumber({ bytes, fields }: LocatedRecord, field: number): number {
  const start = fields.spans[2 * field]!;
  return start < 0 ? Number.NaN : numberAt(bytes, start, fields.spans[2 * field + 1]!);
}

function integer(record: LocatedRecord, field: number): number {
  const value = number(record, field);
  if (Number.isSafeInteger(value)) return value;
  const isLarge = Number.isInteger(value);
  throw wrong(
    record,
    field,
    isLarge
      ? "this should be below 2^53, where numbers lose digits; number the records anew"
      : "this should be a whole number",
  );
}

function flag(record: LocatedRecord, field: number): number {
  const { bytes, fields } = record;
  const written = bytes.toString("latin1", fields.spans[2 * field]!, fields.spans[2 * field]! + 5);
  if (written.startsWith("true")) return 1;
  if (written.startsWith("false") || written.startsWith("null")) return 0;
  const value = number(record, field);
  if (value === 0 || value === 1) return value;
  throw wrong(record, field, "this should be 0 or 1");
}

function text(record: LocatedRecord, field: number): string {
  const { bytes, fields } = record;
  const value = has(record, field)
    ? stringAt(bytes, fields.spans[2 * field]!, fields.spans[2 * field + 1]!)
    : undefined;
  if (value === undefined || value === "")
    throw wrong(record, field, "this should be a string that is not empty");
  return value;
}

function names(record: LocatedRecord, field: number): readonly string[] {
  const { bytes, fields } = record;
  try {
    const value: unknown = JSON.parse(
      bytes.toString("utf8", fields.spans[2 * field]!, fields.spans[2 * field + 1]!),
    );
    if (typeof value === "string") return [value];
    if (Array.isArray(value) && value.every((name) => typeof name === "string")) return value;
  } catch {
    // Falls through to the error below.
  }
  throw wrong(record, field, "this should be a list of names");
}

function wrong(record: LocatedRecord, field: number, problem: string): VlmR1Error {
  const { bytes, fields, element } = record;
  const found = has(record, field)
    ? bytes.toString(
        "utf8",
        fields.spans[2 * field]!,
        Math.min(fields.spans[2 * field + 1]!, fields.spans[2 * field]! + 60),
      )
    : "nothing";
  return invalidData({
    file: element.file,
    place: `${placeOf(element)}.${fields.names[field]}`,
    problem: `${problem}, found ${found}`,
  });
}

/** The outline of an object: polygons [x, y, x, y, …] in pixels, or run lengths, column by column, beginning with zeros. */
export type Segmentation =
  | readonly (readonly number[])[]
  | { readonly size: readonly [height: number, width: number]; readonly counts: readonly number[] | string };

/**
 * Reads the segmentation of one annotation from the file; undefined when it has none.
 * @throws VlmR1Error `invalid-data` when it is neither polygons nor run lengths of the image's size.
 */
export async function readSegmentation(
  index: CocoIndex,
  row: number,
  image: CocoImage,
): Promise<Segmentation | undefined> {
  const { annotations, path } = index;
  const start = annotations.segmentation[2 * row]!;
  if (start < 0) return undefined;
  const bytes = await readRange(path, start, annotations.segmentation[2 * row + 1]!);
  const place = `annotations[${annotations.ordinal[row]!}].segmentation`;
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw invalidData({
      file: path,
      place,
      problem: `this is no valid JSON: ${(cause as Error).message}`,
      cause,
    });
  }
  if (value === null || (Array.isArray(value) && value.length === 0)) return undefined;
  if (Array.isArray(value) && value.every(isPolygon)) return value;
  if (isRunLengths(value, image)) return value;
  throw invalidData({
    file: path,
    place,
    problem: `polygons [[x, y, x, y, x, y, …], …] or {"size": [${image.height}, ${image.width}], "counts": …} should be here, found ${showValue(value)}`,
  });
}

/** Points, all finite: [x, y, x, y, x, y, …]. Published files have polygons of two points, which enclose nothing. */
function isPolygon(value: unknown): value is number[] {
  return (
    Array.isArray(value) &&
    value.length >= 2 &&
    value.length % 2 === 0 &&
    value.every((number) => Number.isFinite(number))
  );
}

function isRunLengths(value: unknown, image: CocoImage): value is Extract<Segmentation, { size: unknown }> {
  if (typeof value !== "object" || value === null) return false;
  const { size, counts } = value as { size?: unknown; counts?: unknown };
  if (!Array.isArray(size) || size.length !== 2 || size[0] !== image.height || size[1] !== image.width)
    return false;
  if (typeof counts === "string") return true;
  if (!Array.isArray(counts) || !counts.every((run) => Number.isInteger(run) && run >= 0)) return false;
  return counts.reduce((sum: number, run: number) => sum + run, 0) === image.height * image.width;
}
