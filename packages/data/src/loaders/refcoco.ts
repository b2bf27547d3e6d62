import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Box, showValue, VlmR1Error } from "@vlmr1/core";
import { invalidData, unreadable } from "@vlmr1/core/files";
import {
  type LoaderOptions,
  createSkipLog,
  loadedDataset,
  type LoadedDataset,
  type SkipLog,
} from "../dataset/bad-samples.ts";
import {
  type ImageFolder,
  loadSizedImage,
  missingFiles,
  missingImage,
  openImageFolder,
} from "../images/image-folder.ts";
import { type CocoIndex, indexCoco, readSegmentation, type Segmentation } from "./coco-file.ts";
import { boxOf, checkAnnotation } from "./coco-images.ts";
import type { PickleValue } from "../pickle/machine.ts";
import { readPickle } from "../pickle/read-pickle.ts";
import { type PromptTemplate, recQuestion, recTemplate } from "../prompts.ts";

/** The truth of a referring expression. */
export interface RefCocoTarget {
  /** In pixels of the original image. */
  readonly box: Box;
  /** What was asked for, as in the prompt. */
  readonly expression: string;
  /** The category's name. */
  readonly category: string;
  readonly refId: number;
  readonly sentenceId: number;
  readonly annotationId: number;
  readonly imageId: number;
  readonly fileName: string;
  readonly segmentation?: Segmentation;
}

export interface RefCocoOptions extends LoaderOptions {
  /** The folder that holds `refcoco/`, `refcoco+/`, … as lichengunc/refer publishes them. */
  readonly root: string;
  readonly dataset: "refcoco" | "refcoco+" | "refcocog" | "refclef";
  /** `train`, `val`, `testA`, `testB` or `test`. */
  readonly split: string;
  /** Who split it. Default: what published numbers use, `unc` for refcoco and refcoco+, `umd` for refcocog. */
  readonly splitBy?: "unc" | "google" | "umd" | "berkeley";
  /** The folder of the image files. Default: refer's, `images/mscoco/images/train2014` under `root`. */
  readonly images?: string;
  /** Which form of the expression is asked: normalised (`sent`, default) or as typed (`raw`). */
  readonly expression?: "sent" | "raw";
  /** Default {@link recQuestion}. */
  readonly question?: (expression: string) => string;
  /** Default {@link recTemplate}. */
  readonly template?: PromptTemplate;
  /** Whether targets carry the object's polygons, which are read from the file for each sample. Default false. */
  readonly segmentation?: boolean;
}

/**
 * Loads RefCOCO, RefCOCO+, RefCOCOg or RefCLEF: one sample an expression, in the order of `refs(*).p`.
 *
 * Image names come from `instances.json`: the names in `refs(*).p` carry a suffix and name no file. The pickle is read as plain
 * data; nothing in it can run.
 * @throws VlmR1Error `not-found`, or `invalid-data` naming record, field and value.
 * @see https://github.com/lichengunc/refer
 */
export async function refCoco(options: RefCocoOptions): Promise<LoadedDataset<RefCocoTarget>> {
  const { root, dataset: name, split } = options;
  const log = createSkipLog(options.onBadSample);
  const folder = await openImageFolder(options.images ?? join(root, ...imageFolderOf(name)), options);
  const refsPath = join(root, name, `refs(${options.splitBy ?? splitByOf(name)}).p`);
  const expressions = await readRefs(refsPath, split, log);
  // The annotations of other splits may be bad without harm; what an expression refers to is checked below.
  const index = await indexCoco(join(root, name, "instances.json"), log);
  const samples = await joinExpressions({ name, refsPath, expressions, index, folder, log });
  const question = options.question ?? recQuestion;
  const template = options.template ?? recTemplate;
  return loadedDataset<RefCocoTarget>({
    name: `${name} ${split}`,
    length: samples.length,
    log,
    read: async (position) => {
      const { expression: found, row, path } = samples[position]!;
      const record = index.images[index.imageRows.get(found.imageId)!]!;
      const image = await loadSizedImage(folder, path, record, mentionOf(refsPath, found));
      const outline = options.segmentation ? await readSegmentation(index, row, record) : undefined;
      const expression = options.expression === "raw" ? found.raw.trim() : found.sentence;
      return {
        id: `${name}/${found.sentenceId}`,
        prompt: template(question(expression)),
        images: [image],
        target: {
          box: boxOf(index, row),
          expression,
          category: index.categories.get(index.annotations.categoryId[row]!)!,
          refId: found.refId,
          sentenceId: found.sentenceId,
          annotationId: found.annotationId,
          imageId: found.imageId,
          fileName: record.fileName,
          ...(outline === undefined ? {} : { segmentation: outline }),
        },
      };
    },
  });
}

/** An expression with the row of its annotation and the path of its image. */
interface JoinedExpression {
  readonly expression: RefExpression;
  readonly row: number;
  readonly path: string;
}

interface JoinInput {
  readonly name: string;
  readonly refsPath: string;
  readonly expressions: readonly RefExpression[];
  readonly index: CocoIndex;
  readonly folder: ImageFolder;
  readonly log: SkipLog;
}

async function joinExpressions({
  refsPath,
  expressions,
  index,
  folder,
  log,
}: JoinInput): Promise<JoinedExpression[]> {
  const rows = annotationRows(index);
  const paths = new Map<number, string>();
  const joined: JoinedExpression[] = [];
  for (const expression of expressions) {
    try {
      const row = rows.get(expression.annotationId);
      checkRef(refsPath, expression, index, row);
      let path = paths.get(expression.imageId);
      if (path === undefined) {
        const image = index.imageRows.get(expression.imageId)!;
        path = folder.resolve(index.images[image]!.fileName, {
          file: index.path,
          place: `images[${image}].file_name`,
        });
        paths.set(expression.imageId, path);
      }
      joined.push({ expression, row: row!, path });
    } catch (error) {
      log.note(error);
    }
  }
  if (!log.skipping) return joined;
  const missing = await missingFiles([...new Set(paths.values())]);
  for (const { expression, path } of joined)
    if (missing.has(path)) log.note(missingImage(path, mentionOf(refsPath, expression)));
  return joined.filter(({ path }) => !missing.has(path));
}

/** Row of each annotation id; -1 for an id that occurs twice. */
function annotationRows({ annotations: { id } }: CocoIndex): Map<number, number> {
  const rows = new Map<number, number>();
  for (let row = 0; row < id.length; row++) rows.set(id[row]!, rows.has(id[row]!) ? -1 : row);
  return rows;
}

function checkRef(file: string, expression: RefExpression, index: CocoIndex, row: number | undefined): void {
  const { annotationId, imageId } = expression;
  const wrong = (field: string, problem: string): VlmR1Error =>
    invalidData({ file, place: `refs[${expression.ordinal}].${field}`, problem });
  if (row === undefined)
    throw wrong("ann_id", `there is no annotation with the id ${annotationId} in ${index.path}`);
  if (row < 0)
    throw wrong(
      "ann_id",
      `${index.path} has more than one annotation with the id ${annotationId}; ids must be unique`,
    );
  const annotated = index.annotations.imageId[row]!;
  if (annotated !== imageId) {
    throw wrong(
      "image_id",
      `the ref says image ${imageId}, and its annotation ${annotationId} says image ${annotated}`,
    );
  }
  const imageRow = index.imageRows.get(imageId);
  checkAnnotation(index, row, imageRow === undefined ? undefined : index.images[imageRow]);
  const [x1, y1, x2, y2] = boxOf(index, row);
  if (!(x1 < x2 && y1 < y2))
    throw wrong(
      "ann_id",
      `annotation ${annotationId} has a box without area, (${x1}, ${y1}) to (${x2}, ${y2})`,
    );
}

function mentionOf(file: string, expression: RefExpression) {
  return { file, place: `refs[${expression.ordinal}]` };
}

function splitByOf(name: RefCocoOptions["dataset"]): string {
  return name === "refcocog" ? "umd" : name === "refclef" ? "berkeley" : "unc";
}

function imageFolderOf(name: RefCocoOptions["dataset"]): readonly string[] {
  return name === "refclef" ? ["images", "saiapr_tc-12"] : ["images", "mscoco", "images", "train2014"];
}

/** One referring expression, with the ids of what it refers to. */
export interface RefExpression {
  /** Position of its ref in the file, for errors. */
  readonly ordinal: number;
  readonly refId: number;
  readonly annotationId: number;
  readonly imageId: number;
  readonly categoryId: number;
  readonly sentenceId: number;
  /** Normalised: lower case, without punctuation. */
  readonly sentence: string;
  /** As it was typed. */
  readonly raw: string;
}

/**
 * Reads `refs(*).p` and gives the expressions of one split, in the file's order.
 * @throws VlmR1Error `invalid-data` naming ref and field; `invalid-argument` for a split that the file does not have.
 */
export async function readRefs(path: string, split: string, log: SkipLog): Promise<RefExpression[]> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  const refs = readPickle(bytes, path);
  if (!Array.isArray(refs))
    throw invalidData({
      file: path,
      problem: `the pickle should hold a list of refs, found ${showValue(refs)}`,
    });
  const wanted = splitTest(split);
  const expressions: RefExpression[] = [];
  const splits = new Set<string>();
  const sentenceIds = new Set<number>();
  for (const [ordinal, ref] of refs.entries()) {
    try {
      const record = dict(path, `refs[${ordinal}]`, ref);
      const of = text(path, `refs[${ordinal}]`, record, "split");
      splits.add(of);
      if (wanted(of)) addExpressions(path, ordinal, record, expressions, sentenceIds);
    } catch (error) {
      log.note(error);
    }
  }
  if (expressions.length === 0 && log.skipped.count === 0) throw noSuchSplit(path, split, splits);
  return expressions;
}

/** refer's own rule: `testA` takes every split with an A in its name ("testAB" too), `test` every test split. */
function splitTest(split: string): (of: string) => boolean {
  if (/^test[ABC]$/.test(split)) return (of) => of.includes(split.at(-1)!);
  if (split === "test") return (of) => of.includes("test");
  return (of) => of === split;
}

function addExpressions(
  path: string,
  ordinal: number,
  ref: Map<PickleValue, PickleValue>,
  expressions: RefExpression[],
  sentenceIds: Set<number>,
): void {
  const place = `refs[${ordinal}]`;
  const refId = integer(path, place, ref, "ref_id");
  const annotationId = integer(path, place, ref, "ann_id");
  const imageId = integer(path, place, ref, "image_id");
  const categoryId = integer(path, place, ref, "category_id");
  const sentences = ref.get("sentences");
  if (!Array.isArray(sentences) || sentences.length === 0) {
    throw wrong(path, `${place}.sentences`, "a list of at least one sentence should be here", sentences);
  }
  const added = sentences.map((entry, index): RefExpression => {
    const at = `${place}.sentences[${index}]`;
    const sentence = dict(path, at, entry);
    const sentenceId = integer(path, at, sentence, "sent_id");
    if (sentenceIds.has(sentenceId))
      throw wrong(path, `${at}.sent_id`, "another sentence has this id; ids must be unique", sentenceId);
    sentenceIds.add(sentenceId);
    const sent = text(path, at, sentence, "sent");
    const raw = sentence.get("raw");
    return {
      ordinal,
      refId,
      annotationId,
      imageId,
      categoryId,
      sentenceId,
      sentence: sent,
      raw: typeof raw === "string" ? raw : sent,
    };
  });
  for (const expression of added) expressions.push(expression);
}

function dict(path: string, place: string, value: PickleValue): Map<PickleValue, PickleValue> {
  if (value instanceof Map) return value;
  throw wrong(path, place, "a dict should be here", value);
}

function integer(path: string, place: string, record: Map<PickleValue, PickleValue>, key: string): number {
  const value = record.get(key);
  if (Number.isSafeInteger(value)) return value as number;
  throw wrong(path, `${place}.${key}`, "a whole number should be here", value);
}

function text(path: string, place: string, record: Map<PickleValue, PickleValue>, key: string): string {
  const value = record.get(key);
  if (typeof value === "string" && value.trim() !== "") return value;
  throw wrong(path, `${place}.${key}`, "text should be here", value);
}

function wrong(path: string, place: string, problem: string, found: unknown): VlmR1Error {
  return invalidData({ file: path, place, problem: `${problem}, found ${showValue(found)}` });
}

function noSuchSplit(path: string, split: string, splits: ReadonlySet<string>): VlmR1Error {
  const there = [...splits].map((name) => `"${name}"`).join(", ") || "none";
  return new VlmR1Error("invalid-argument", `${path} has no split "${split}"; its splits are ${there}.`);
}
