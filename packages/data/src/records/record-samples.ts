import { basename } from "node:path";
import { type Box, type ImageSize, type Sample, showValue, type VlmR1Error } from "@vlmr1/core";
import { invalidData, type Mention } from "@vlmr1/core/files";
import { loadedDataset, type LoadedDataset, type SkipLog } from "../dataset/bad-samples.ts";
import { type ImageFolder, missingFiles, missingImage } from "../images/image-folder.ts";
import type { TargetOfImages } from "./answers.ts";
import { openRecordFile, type RecordFile } from "./record-file.ts";

/** What a record of a JSON file says, before its images are opened. */
export interface ParsedRecord<Target> {
  /** The record's own id; its line or record number stands in when it has none. */
  readonly id?: string | number;
  readonly prompt: string;
  /** Names relative to the image folder. */
  readonly images: readonly unknown[];
  readonly target: TargetOfImages<Target>;
  readonly system?: string;
  readonly answer?: string;
  readonly group?: string;
}

/** A file of records, its images, and what a record means. */
export interface RecordSource<Target> {
  readonly path: string;
  readonly images: ImageFolder;
  /** @throws VlmR1Error `invalid-data` for a record that is malformed. */
  parse(record: unknown, mention: Mention): ParsedRecord<Target>;
}

interface OpenSource<Target> extends RecordSource<Target> {
  readonly records: RecordFile;
  /** Begins every sample id, so that two files of one name stay apart. */
  readonly label: string;
  /** Ids of the rows whose own another row has, too. */
  readonly renamed: ReadonlyMap<number, string>;
}

/** Which record of which source a sample is. */
interface SamplePlace {
  readonly source: number;
  readonly row: number;
}

/**
 * Makes a dataset of the records of one or several JSON files: each record is parsed once to find mistakes early, then again when
 * its sample is asked for, so that memory holds places and ids only.
 */
export async function recordSamples<Target>(
  name: string,
  sources: readonly RecordSource<Target>[],
  log: SkipLog,
): Promise<LoadedDataset<Target>> {
  const opened: OpenSource<Target>[] = [];
  const places: SamplePlace[] = [];
  for (const [position, source] of sources.entries()) {
    const label = labelOf(source.path, opened);
    const { records, paths, renamed } = await indexSource(source, log);
    const missing = log.skipping ? await missingFiles([...new Set(paths.flat())]) : new Set<string>();
    for (let row = 0; row < records.length; row++) {
      const absent = paths[row]?.find((path) => missing.has(path));
      if (absent === undefined) places.push({ source: position, row });
      else log.note(missingImage(absent, { file: source.path, place: records.place(row) }));
    }
    opened.push({ ...source, records, label, renamed });
  }
  return loadedDataset({
    name,
    length: places.length,
    log,
    read: (index) => readSample(opened, places[index]!),
  });
}

async function indexSource<Target>({ path, images, parse }: RecordSource<Target>, log: SkipLog) {
  const ids = uniqueIds();
  const paths: string[][] = [];
  let row = 0;
  const records = await openRecordFile(
    path,
    (record, place) => {
      const mention = { file: path, place, doubt: (kind: string) => log.doubt(kind, { file: path, place }) };
      const parsed = parse(record, mention);
      const files = parsed.images.map((image) => images.resolve(image, mention));
      if (parsed.id !== undefined && ids.take(String(parsed.id), row)) mention.doubt(sharedId);
      if (log.skipping) paths.push(files);
      row++;
      return true;
    },
    (error) => log.note(error),
  );
  return { records, paths, renamed: ids.renamed };
}

/** What is said of records that share an id: published sets of conversations have many. */
export const sharedId =
  "the id of an earlier record is used again, so -2, -3, … are added to make ids unique";

/** Makes ids unique: the second of one name becomes `name-2`, and so on. Only those that change are remembered. */
export function uniqueIds() {
  const taken = new Set<string>();
  const copies = new Map<string, number>();
  const renamed = new Map<number, string>();
  return {
    /** New names by row. */
    renamed,
    /** Takes an id for a row; true when it had to be renamed. */
    take(id: string, row: number): boolean {
      let name = id;
      for (let copy = copies.get(id) ?? 1; taken.has(name);) {
        name = `${id}-${++copy}`;
        copies.set(id, copy);
      }
      taken.add(name);
      if (name !== id) renamed.set(row, name);
      return name !== id;
    },
  };
}

async function readSample<Target>(
  sources: readonly OpenSource<Target>[],
  { source, row }: SamplePlace,
): Promise<Sample<Target>> {
  const { path, images, parse, records, label, renamed } = sources[source]!;
  const mention = { file: path, place: records.place(row) };
  const parsed = parse(await records.read(row), mention);
  const pictures = await Promise.all(
    parsed.images.map((image) => images.load(images.resolve(image, mention), mention)),
  );
  return {
    id: `${label}/${renamed.get(row) ?? parsed.id ?? mention.place.replace(" ", "-")}`,
    prompt: parsed.prompt,
    images: pictures,
    target: parsed.target(pictures),
    ...(parsed.system === undefined ? {} : { system: parsed.system }),
    ...(parsed.answer === undefined ? {} : { answer: parsed.answer }),
    ...(parsed.group === undefined ? {} : { group: parsed.group }),
  };
}

function labelOf(path: string, before: readonly { readonly label: string }[]): string {
  const name = basename(path).replace(/\.jsonl?$/, "");
  const taken = (label: string): boolean => before.some((source) => source.label === label);
  let label = name;
  for (let copy = 2; taken(label); copy++) label = `${name}-${copy}`;
  return label;
}

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

/** The record's id, a string or number, or none. @throws VlmR1Error for a number that lost digits when it was read. */
export function idField(record: JsonRecord, mention: Mention): { readonly id?: string | number } {
  const id = optionalField(record, "id");
  if (id === undefined) return {};
  if (typeof id === "number" && Math.abs(id) > Number.MAX_SAFE_INTEGER) throw lossyId(mention, "id", id);
  if ((typeof id === "string" && id !== "") || (typeof id === "number" && Number.isFinite(id))) return { id };
  throw wrongField(mention, "id", "a string or number", id);
}

/** The error for an id above 2^53: JSON's numbers lose digits there, so that two ids may become one. */
export function lossyId(mention: Mention, key: string, found: unknown): VlmR1Error {
  return wrongField(
    mention,
    key,
    "an id below 2^53, or the same id as text in quotes (larger numbers lose digits),",
    found,
  );
}

/** Placeholders that other tools replace before they train: ms-swift, LLaMA-Factory, Qwen-VL, InternVL, Phi. */
const foreignPlaceholder =
  /<(?:ref-object|bbox|\/?img|video|audio|IMG_CONTEXT|image[_-]?\d+)>|<\|(?:image|video|audio|vision)\w*\|>/i;

/**
 * Checks the placeholders in the texts of a record and returns the number of `<image>`.
 *
 * @param pictures how many pictures the record has.
 * @throws VlmR1Error `invalid-data` when the two numbers differ, or for a placeholder that another tool fills in, which
 * would be trained literally.
 */
export function checkPlaceholders(texts: readonly string[], pictures: number, mention: Mention): number {
  let placeholders = 0;
  for (const text of texts) {
    const foreign = foreignPlaceholder.exec(text)?.[0];
    if (foreign !== undefined) {
      throw invalidData({
        ...mention,
        problem:
          `the text has the placeholder ${foreign}, which another tool fills in before it trains; here it would be trained literally. ` +
          "Write the data with its placeholders filled in; only <image> is read",
      });
    }
    placeholders += text.split("<image>").length - 1;
  }
  if (placeholders > 0 && placeholders !== pictures) {
    throw invalidData({
      ...mention,
      problem: `there are ${placeholders} <image> placeholders for ${pictures} images; the numbers should be equal`,
    });
  }
  return placeholders;
}

/** The image names of a record: none, one, or a list. */
export function imageNames(record: JsonRecord, key: string, mention: Mention): readonly string[] {
  const value = optionalField(record, key);
  if (value === undefined) return [];
  const names = Array.isArray(value) ? value : [value];
  if (names.every((name) => typeof name === "string" && name !== "")) return names;
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
