import type { Mention } from "@vlmr1/core/files";
import type { AnswerReader } from "./answers.ts";
import type { PromptTemplate } from "../prompts.ts";
import { pythonText } from "../python-text.ts";
import {
  idField,
  imageNames,
  optionalField,
  recordOf,
  textField,
  wrongField,
  type JsonRecord,
} from "./record-fields.ts";
import type { ParsedRecord } from "./record-samples.ts";

/** What a record of `{image, problem, solution}` says beside its answer. */
export interface ProblemRow {
  /** The published solution, as text. */
  readonly solution: string;
}

/** How to read a record of `{image, problem, solution}`. */
export interface ProblemReading<Target> {
  readonly template: PromptTemplate;
  readonly answer: AnswerReader<Target>;
  /** Which fields hold image, question and answer. */
  readonly fields: { readonly image: string; readonly problem: string; readonly solution: string };
  /** The member that breaks reports down into groups, when the records have it. */
  readonly group?: string;
}

/** Reads a record of image, problem and solution: VLM-R1's evaluation and legacy files, R1-V, Visual-RFT. */
export function parseProblem<Target>(
  value: unknown,
  mention: Mention,
  { template, answer, fields, group }: ProblemReading<Target>,
): ParsedRecord<Target & ProblemRow> {
  const record = recordOf(value, mention);
  const problem = textField(record, fields.problem, mention);
  const given = optionalField(record, fields.solution);
  if (given === undefined) throw wrongField(mention, fields.solution, "the answer", given);
  const read = answer(given, withoutTags(given), mention);
  return {
    ...idField(record, mention),
    prompt: template(problem.replaceAll("<image>", "")),
    images: imageNames(record, fields.image, mention),
    target: (sizes) => ({ ...read(sizes), solution: pythonText(given) }),
    ...groupOf(record, group),
  };
}

/** An answer as text, without <answer> tags around it. */
export function withoutTags(value: unknown): string {
  return pythonText(value)
    .replaceAll(/<\/?answer>/g, "")
    .trim();
}

function groupOf(record: JsonRecord, key: string | undefined): { readonly group?: string } {
  const group = key === undefined ? undefined : optionalField(record, key);
  return typeof group === "string" ? { group } : {};
}
