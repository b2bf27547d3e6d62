import { type Box, type ImageSize, showValue, type VlmR1Error } from "@vlmr1/core";
import { invalidData, type Mention } from "@vlmr1/core/files";

/** A JSON object whose members are not yet known. */
export type JsonRecord = Readonly<Record<string, unknown>>;

/** @throws VlmR1Error `invalid-data` unless `value` is a JSON object. */
export function recordOf(value: unknown, mention: Mention): JsonRecord {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonRecord;
  throw wrongField(mention, undefined, "an object {…}", value);
}

/** The member `key`, which must be a string with something in it. */
export function textField(record: JsonRecord, key: string, mention: Mention): string {
  const value = Object.hasOwn(record, key) ? record[key] : undefined;
  if (typeof value === "string" && value.trim() !== "") return value;
  throw wrongField(mention, key, "text", value);
}

/** The member `key`, or undefined when it is absent or null. */
export function optionalField(record: JsonRecord, key: string): unknown {
  return Object.hasOwn(record, key) ? (record[key] ?? undefined) : undefined;
}

/** The record's id, a string or number, or none. */
export function idField(record: JsonRecord, mention: Mention): { readonly id?: string | number } {
  const id = optionalField(record, "id");
  if (id === undefined) return {};
  if ((typeof id === "string" && id !== "") || (typeof id === "number" && Number.isFinite(id))) return { id };
  throw wrongField(mention, "id", "a string or number", id);
}

/** The image names of a record: none, one, or a list of at least one. */
export function imageNames(record: JsonRecord, key: string, mention: Mention): readonly string[] {
  const value = optionalField(record, key);
  if (value === undefined) return [];
  const names = Array.isArray(value) ? value : [value];
  if (names.length > 0 && names.every((name) => typeof name === "string" && name !== "")) return names;
  throw wrongField(mention, key, "a file name or a list of file names", value);
}

/** The error for a field that holds something else than it should. */
export function wrongField(
  mention: Mention,
  key: string | undefined,
  wanted: string,
  found: unknown,
): VlmR1Error {
  const place = key === undefined ? mention.place : `${mention.place}, field "${key}"`;
  return invalidData({
    file: mention.file,
    place,
    problem: `${wanted} should be here, found ${showValue(found)}`,
  });
}

/** @throws VlmR1Error `invalid-data` when a box reaches more than a pixel over the edge of its image. */
export function checkBoxInside(box: Box, image: ImageSize | undefined, key: string, mention: Mention): void {
  if (image === undefined)
    throw wrongField(mention, key, "a box belongs to an image, and no image", undefined);
  const [x1, y1, x2, y2] = box;
  if (x1 >= -1 && y1 >= -1 && x2 <= image.width + 1 && y2 <= image.height + 1) return;
  throw wrongField(
    mention,
    key,
    `a box inside the image of ${image.width}x${image.height} pixels (boxes are [x1, y1, x2, y2] in pixels of the original image)`,
    box,
  );
}
