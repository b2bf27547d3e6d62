import { VlmR1Error } from "@vlmr1/core";
import type { CocoAnnotation, CocoFile } from "./coco-format.ts";
import { numberColumn } from "./number-column.ts";
import { recordCheck, showValue } from "./record-check.ts";

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
  readonly imageIds: Float64Array;
  readonly categoryIds: Float64Array;
  /** [length, 4]: x, y, width, height; NaN where an annotation has no box. */
  readonly boxes: Float64Array;
  readonly areas: Float64Array;
  /** 1 for crowd regions. */
  readonly crowd: Uint8Array;
  /** Masks as the file gives them; undefined when the table was made without. */
  readonly segmentations: readonly unknown[] | undefined;
  /** Sizes by image id; NaN where the file has none. */
  readonly images: ReadonlyMap<number, { readonly width: number; readonly height: number }>;
  /** Names by category id. */
  readonly categories: ReadonlyMap<number, string>;
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
  const images = new Map<number, { width: number; height: number }>();
  const categories = new Map<number, string>();
  const objects = collectObjects(source, masks);
  const image = recordCheck(source, "image");
  const category = recordCheck(source, "category");
  let [imageCount, categoryCount] = [0, 0];
  return {
    addImages(records) {
      for (const record of records) {
        const id = image.number(record, imageCount++, "id");
        const { width, height } = record as { width?: unknown; height?: unknown };
        images.set(id, { width: sizeOf(width), height: sizeOf(height) });
      }
    },
    addCategories(records) {
      for (const record of records) {
        const id = category.number(record, categoryCount++, "id");
        const { name } = record as { name?: unknown };
        categories.set(id, typeof name === "string" ? name : String(id));
      }
    },
    addAnnotations: objects.add,
    finish: () => ({ kind: "annotations", source, images, categories, ...objects.finish() }),
  };
}

type ObjectColumns = Omit<AnnotationTable, "kind" | "source" | "images" | "categories">;

function collectObjects(
  source: string,
  masks: boolean,
): { add(records: readonly unknown[]): void; finish(): ObjectColumns } {
  const [ids, imageIds, categoryIds] = [numberColumn(), numberColumn(), numberColumn()];
  const [boxes, areas, crowd] = [numberColumn(), numberColumn(), numberColumn()];
  const segmentations: unknown[] = [];
  const recordOfId = new Map<number, number>();
  const { number, xywh, refuse } = recordCheck(source, "annotation");
  let count = 0;
  const addOne = (record: unknown): void => {
    const id = number(record, count, "id");
    const first = recordOfId.get(id);
    if (first !== undefined) refuse(record, count, "id", `unique, but annotation ${first} has it too`);
    recordOfId.set(id, count);
    ids.push(id);
    imageIds.push(number(record, count, "image_id"));
    categoryIds.push(number(record, count, "category_id"));
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
      ids: ids.finish(),
      imageIds: imageIds.finish(),
      categoryIds: categoryIds.finish(),
      boxes: boxes.finish(),
      areas: areas.finish(),
      crowd: Uint8Array.from(crowd.finish()),
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
