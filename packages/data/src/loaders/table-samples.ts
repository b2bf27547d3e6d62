import { VlmR1Error, type RgbImage, type Sample } from "@vlmr1/core";
import { invalidData, type Mention } from "@vlmr1/core/files";
import { loadedDataset, type LoadedDataset, type SkipLog } from "../dataset/bad-samples.ts";
import type { TableFile, TableRow } from "../formats/table.ts";
import { loadImage } from "../image/load-image.ts";
import type { TargetOfImages } from "./answers.ts";
import { atPlace, type ImageFolder } from "./image-folder.ts";
import { wrongField } from "./record-fields.ts";

/** What a row says beside its images. */
export interface ParsedRow<Target> {
  /** Unique in the table; the row number stands in when there is none. */
  readonly id?: string;
  readonly prompt: string;
  readonly target: TargetOfImages<Target>;
  readonly group?: string;
}

/** A table and what its rows mean. */
export interface TableReading<Target> {
  readonly name: string;
  readonly table: TableFile;
  /** The columns that `parse` looks at; images are not among them. */
  readonly columns: readonly string[];
  /** The column of the image or images. */
  readonly imageColumn: string;
  /** Where images are that the table names instead of holding them. */
  readonly folder: ImageFolder | undefined;
  readonly maxPixels: number | undefined;
  readonly log: SkipLog;
  /** The samples of a row, mostly one. @throws VlmR1Error `invalid-data`. */
  parse(row: TableRow, mention: Mention): readonly ParsedRow<Target>[];
}

/** Makes a dataset of the rows of a table: all columns but the images are read once to find mistakes early. */
export async function tableSamples<Target>(reading: TableReading<Target>): Promise<LoadedDataset<Target>> {
  const { name, table, columns, imageColumn, log, parse } = reading;
  for (const column of [...columns, imageColumn]) {
    if (!table.columns.includes(column)) {
      const there = table.columns.map((other) => `"${other}"`).join(", ");
      throw new VlmR1Error(
        "invalid-argument",
        `${table.path} has no column "${column}"; its columns are ${there}.`,
      );
    }
  }
  const places: { readonly row: number; readonly part: number }[] = [];
  const ids = new Set<string>();
  await table.scan(columns, (row, index) => {
    const mention = mentionOf(table, index);
    try {
      for (const [part, { id }] of parse(row, mention).entries()) {
        if (id !== undefined && ids.has(id))
          throw invalidData({ ...mention, problem: `another row has the id "${id}"` });
        if (id !== undefined) ids.add(id);
        places.push({ row: index, part });
      }
    } catch (error) {
      log.note(error);
    }
  });
  return loadedDataset<Target>({
    name,
    length: places.length,
    log,
    read: async (position) => {
      const { row: index, part } = places[position]!;
      const mention = mentionOf(table, index);
      const row = await table.row(index);
      const parsed = parse(row, mention)[part];
      if (parsed === undefined)
        throw invalidData({ ...mention, problem: "the file has changed since it was opened" });
      const images = await readImages(row[imageColumn], reading, mention);
      return sampleOf(parsed, images, index);
    },
  });
}

function sampleOf<Target>(
  parsed: ParsedRow<Target>,
  images: readonly RgbImage[],
  row: number,
): Sample<Target> {
  return {
    id: parsed.id ?? `row-${row}`,
    prompt: parsed.prompt,
    images,
    target: parsed.target(images),
    ...(parsed.group === undefined ? {} : { group: parsed.group }),
  };
}

function mentionOf({ path }: TableFile, index: number): Mention {
  return { file: path, place: `row ${index}` };
}

/** Decodes an image cell: bytes, a path, `{bytes, path}` as `datasets` writes them, or a list of these; null is no image. */
async function readImages<Target>(
  cell: unknown,
  reading: TableReading<Target>,
  mention: Mention,
): Promise<RgbImage[]> {
  const cells = Array.isArray(cell) ? cell : cell === null || cell === undefined ? [] : [cell];
  return Promise.all(cells.map((image) => readImage(image, reading, mention)));
}

async function readImage<Target>(
  cell: unknown,
  { imageColumn, folder, maxPixels }: TableReading<Target>,
  mention: Mention,
): Promise<RgbImage> {
  const { bytes, path } = partsOf(cell);
  if (bytes !== undefined) {
    try {
      return await loadImage(bytes, maxPixels === undefined ? {} : { maxPixels });
    } catch (error) {
      throw atPlace(error, mention);
    }
  }
  if (path === undefined) throw wrongField(mention, imageColumn, "image bytes, or {bytes, path}", cell);
  if (folder !== undefined) return folder.load(folder.resolve(path, mention), mention);
  throw new VlmR1Error(
    "invalid-argument",
    `${mention.file}, ${mention.place}: the table names the image ${JSON.stringify(path)} and does not hold it. Name its folder with the option images.`,
  );
}

function partsOf(cell: unknown): { readonly bytes?: Uint8Array; readonly path?: string } {
  if (cell instanceof Uint8Array) return { bytes: cell };
  if (typeof cell === "string") return { path: cell };
  if (typeof cell !== "object" || cell === null) return {};
  const { bytes, path } = cell as { bytes?: unknown; path?: unknown };
  if (bytes instanceof Uint8Array) return { bytes };
  return typeof path === "string" ? { path } : {};
}
