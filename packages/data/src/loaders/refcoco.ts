import { join } from "node:path";
import type { Box, VlmR1Error } from "@vlmr1/core";
import { invalidData } from "@vlmr1/core/files";
import {
  createSkipLog,
  loadedDataset,
  type BadSampleOptions,
  type LoadedDataset,
  type SkipLog,
} from "../dataset/bad-samples.ts";
import { recQuestion, recTemplate, type PromptTemplate } from "../prompts.ts";
import { indexCoco, type CocoIndex } from "./coco-index.ts";
import { boxOf, checkAnnotation } from "./coco-objects.ts";
import { loadSizedImage } from "./coco-images.ts";
import { missingFiles, missingImage, openImageFolder, type ImageFolder } from "./image-folder.ts";
import { readRefs, type RefExpression } from "./refcoco-refs.ts";
import { readSegmentation, type Segmentation } from "./segmentation.ts";

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

export interface RefCocoOptions extends BadSampleOptions {
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
  /** Largest image decoded, in pixels. */
  readonly maxPixels?: number;
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
          category: index.categories.get(index.annotations.categoryId.at(row))!,
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
  for (let row = 0; row < id.length; row++) rows.set(id.at(row), rows.has(id.at(row)) ? -1 : row);
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
  const annotated = index.annotations.imageId.at(row);
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
