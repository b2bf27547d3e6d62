import { type Box, boxFromXywh, type RgbImage, type Sample, VlmR1Error } from "@vlmr1/core";
import { invalidData, type Mention } from "@vlmr1/core/files";
import {
  type LoaderOptions,
  createSkipLog,
  type LoadedDataset,
  loadedDataset,
  type SkipLog,
} from "../dataset/bad-samples.ts";
import { atPlace, type ImageFolder, openImageFolder } from "../images/image-folder.ts";
import { loadImage, type LoadImageOptions } from "../images/load-image.ts";
import { type ProblemRow, withoutTags } from "./problems.ts";
import { type PromptTemplate, pythonText, recQuestion, recTemplate, thinkTemplate } from "../prompts.ts";
import { answerAsBox, answerAsText, type AnswerReader, type TargetOfImages } from "../records/answers.ts";
import {
  checkPlaceholders,
  sharedId,
  uniqueIds,
  optionalField,
  textField,
  wrongField,
} from "../records/record-samples.ts";
import { openTable, type TableFile, type TableRow } from "../tables/open-table.ts";

export interface HuggingFaceOptions<Target> extends LoaderOptions {
  /** A `.parquet` or `.arrow` file, a folder of parquet shards, or a folder written by `save_to_disk`. */
  readonly path: string;
  /** Which split of a folder; needed when there are several. */
  readonly split?: string;
  /** Which columns to use. Default: `image`, `problem`, `solution`, as R1-V, Visual-RFT and Open-R1 name them, and no id. */
  readonly columns?: {
    readonly image?: string;
    readonly problem?: string;
    readonly solution?: string;
    readonly id?: string;
    readonly group?: string;
  };
  /** Reads the solution; default {@link answerAsText}. */
  readonly answer?: AnswerReader<Target>;
  /** Default {@link thinkTemplate}. */
  readonly template?: PromptTemplate;
  /** The folder of images that the table only names. */
  readonly images?: string;
}

/**
 * Loads a table of the Hugging Face Hub: any parquet or Arrow table with a column of images, one of questions and one of answers. A
 * row may hold one image, a list of images, or none.
 * @throws VlmR1Error `not-found`; `invalid-argument` for a column or split that is not there; `invalid-data` naming row and column.
 */
export async function huggingFace<Target = { readonly answer: string }>(
  options: HuggingFaceOptions<Target>,
): Promise<LoadedDataset<Target & ProblemRow>> {
  const log = createSkipLog(options.onBadSample);
  const { image = "image", problem = "problem", solution = "solution", id, group } = options.columns ?? {};
  const template = options.template ?? thinkTemplate;
  const answer = (options.answer ?? answerAsText) as AnswerReader<Target>;
  const parse = (row: TableRow, mention: Mention): readonly ParsedRow<Target & ProblemRow>[] => {
    const question = textField(row, problem, mention);
    const given = optionalField(row, solution);
    // A table without a value in a column of numbers holds NaN there.
    if (given === undefined || Number.isNaN(given)) throw wrongField(mention, solution, "the answer", given);
    const read = answer(given, withoutTags(given), mention);
    return [
      {
        prompt: template(question.replaceAll("<image>", "")),
        texts: [question],
        target: (sizes) => ({ ...read(sizes), solution: pythonText(given) }),
        ...named(row, { id, group }),
      },
    ];
  };
  return tableSamples({
    name: options.path,
    table: await openTable(options.path, options.split),
    columns: [problem, solution, id, group].filter((column) => column !== undefined),
    imageColumn: image,
    folder: options.images === undefined ? undefined : await openImageFolder(options.images, options),
    loading: options,
    log,
    parse,
  });
}

/** The values of the columns that name and group samples, where there are such columns. */
function named(
  row: TableRow,
  columns: { readonly id: string | undefined; readonly group: string | undefined },
) {
  const value = (column: string | undefined): string | undefined => {
    const cell = column === undefined ? undefined : optionalField(row, column);
    return cell === undefined ? undefined : pythonText(cell);
  };
  const id = value(columns.id);
  const group = value(columns.group);
  return { ...(id === undefined ? {} : { id }), ...(group === undefined ? {} : { group }) };
}

/** The truth of a referring expression in a table. */
export interface RefCocoTableTarget {
  /** In pixels of the original image. */
  readonly box: Box;
  readonly expression: string;
}

export interface RefCocoTableOptions extends LoaderOptions {
  /** A parquet file or folder, or a folder of `save_to_disk`. */
  readonly path: string;
  /** Which split of a folder: `val`, `test`, `testA`, `testB`. */
  readonly split?: string;
  /** Default {@link recQuestion}. */
  readonly question?: (expression: string) => string;
  /** Default {@link recTemplate}. */
  readonly template?: PromptTemplate;
}

/**
 * Loads RefCOCO as `lmms-lab/RefCOCO`, `RefCOCOplus` and `RefCOCOg` hold it: a row is a ref with its image, `bbox` [x, y, width,
 * height] in pixels and a list `answer` of expressions, each of which becomes a sample. (Their `val` joins the unc and google splits.)
 * @throws VlmR1Error `not-found`; `invalid-argument` for a missing column or split; `invalid-data` naming row and column.
 */
export async function refCocoTable(options: RefCocoTableOptions): Promise<LoadedDataset<RefCocoTableTarget>> {
  const question = options.question ?? recQuestion;
  const template = options.template ?? recTemplate;
  const parse = (row: TableRow, mention: Mention): readonly ParsedRow<RefCocoTableTarget>[] => {
    const read = answerAsBox(xywhField(optionalField(row, "bbox"), mention), "", {
      ...mention,
      place: `${mention.place}, bbox`,
    });
    const given = optionalField(row, "answer");
    const expressions = typeof given === "string" ? [given] : given;
    if (
      !Array.isArray(expressions) ||
      expressions.length === 0 ||
      !expressions.every((text) => typeof text === "string" && text !== "")
    ) {
      throw wrongField(mention, "answer", "a list of expressions", given);
    }
    return expressions.map((expression: string, part) => ({
      id: `${mention.place.replace(" ", "-")}/${part}`,
      prompt: template(question(expression)),
      target: (sizes) => ({ ...read(sizes), expression }),
    }));
  };
  return tableSamples({
    name: options.path,
    table: await openTable(options.path, options.split),
    columns: ["answer", "bbox"],
    imageColumn: "image",
    folder: undefined,
    loading: options,
    log: createSkipLog(options.onBadSample),
    parse,
  });
}

function xywhField(value: unknown, mention: Mention): Box {
  const list = ArrayBuffer.isView(value) ? Array.from(value as Float32Array) : value;
  if (Array.isArray(list) && list.length === 4) {
    return boxFromXywh(list as [number, number, number, number]);
  }
  throw wrongField(mention, "bbox", "a box [x, y, width, height]", value);
}

/** What a row says beside its images. */
export interface ParsedRow<Target> {
  /** Unique in the table; the row number stands in when there is none. */
  readonly id?: string;
  readonly prompt: string;
  readonly target: TargetOfImages<Target>;
  readonly group?: string;
  /** The texts in which placeholders stand for the row's images. */
  readonly texts?: readonly string[];
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
  readonly loading: LoadImageOptions;
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
  if (table.length === 0) {
    throw invalidData({
      file: table.path,
      problem: "the table has its columns and 0 rows; export the split again, or name another split",
    });
  }
  const places: { readonly row: number; readonly part: number }[] = [];
  const ids = uniqueIds();
  await table.scan(columns, (row, index) => {
    const at = mentionOf(table, index);
    const mention = { ...at, doubt: (kind: string) => log.doubt(kind, at) };
    try {
      for (const [part, { id }] of parse(row, mention).entries()) {
        if (id !== undefined && ids.take(id, places.length)) mention.doubt(sharedId);
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
      checkPlaceholders(parsed.texts ?? [], images.length, mention);
      return sampleOf(parsed, images, ids.renamed.get(position) ?? parsed.id ?? `row-${index}`);
    },
  });
}

function sampleOf<Target>(
  parsed: ParsedRow<Target>,
  images: readonly RgbImage[],
  id: string,
): Sample<Target> {
  return {
    id,
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
  { imageColumn, folder, loading }: TableReading<Target>,
  mention: Mention,
): Promise<RgbImage> {
  const { bytes, path } = partsOf(cell);
  if (bytes !== undefined) {
    try {
      return await loadImage(bytes, loading);
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
