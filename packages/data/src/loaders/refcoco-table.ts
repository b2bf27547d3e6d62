import { boxFromXywh, type Box } from "@vlmr1/core";
import type { Mention } from "@vlmr1/core/files";
import { createSkipLog, type BadSampleOptions, type LoadedDataset } from "../dataset/bad-samples.ts";
import { openTable } from "../formats/table-folder.ts";
import type { TableRow } from "../formats/table.ts";
import { recQuestion, recTemplate, type PromptTemplate } from "../prompts.ts";
import { answerAsBox } from "./answers.ts";
import { optionalField, wrongField } from "./record-fields.ts";
import { tableSamples, type ParsedRow } from "./table-samples.ts";

/** The truth of a referring expression in a table. */
export interface RefCocoTableTarget {
  /** In pixels of the original image. */
  readonly box: Box;
  readonly expression: string;
}

export interface RefCocoTableOptions extends BadSampleOptions {
  /** A parquet file or folder, or a folder of `save_to_disk`. */
  readonly path: string;
  /** Which split of a folder: `val`, `test`, `testA`, `testB`. */
  readonly split?: string;
  /** Default {@link recQuestion}. */
  readonly question?: (expression: string) => string;
  /** Default {@link recTemplate}. */
  readonly template?: PromptTemplate;
  /** Largest image decoded, in pixels. */
  readonly maxPixels?: number;
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
    maxPixels: options.maxPixels,
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
