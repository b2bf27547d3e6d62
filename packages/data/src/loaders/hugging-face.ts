import type { Mention } from "@vlmr1/core/files";
import { createSkipLog, type BadSampleOptions, type LoadedDataset } from "../dataset/bad-samples.ts";
import { openTable } from "../formats/table-folder.ts";
import type { TableRow } from "../formats/table.ts";
import { thinkTemplate, type PromptTemplate } from "../prompts.ts";
import { pythonText } from "../python-text.ts";
import { answerAsText, type AnswerReader } from "./answers.ts";
import { openImageFolder } from "./image-folder.ts";
import { optionalField, textField, wrongField } from "./record-fields.ts";
import { tableSamples, type ParsedRow } from "./table-samples.ts";
import { withoutTags, type ProblemRow } from "./vlm-r1-problems.ts";

export interface HuggingFaceOptions<Target> extends BadSampleOptions {
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
  /** Largest image decoded, in pixels. */
  readonly maxPixels?: number;
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
    if (given === undefined) throw wrongField(mention, solution, "the answer", given);
    const read = answer(given, withoutTags(given), mention);
    return [
      {
        prompt: template(question.replaceAll("<image>", "")),
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
    maxPixels: options.maxPixels,
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
