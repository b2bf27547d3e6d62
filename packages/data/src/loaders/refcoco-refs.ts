import { readFile } from "node:fs/promises";
import { showValue, VlmR1Error } from "@vlmr1/core";
import { invalidData, unreadable } from "@vlmr1/core/files";
import type { SkipLog } from "../dataset/bad-samples.ts";
import type { PickleValue } from "../formats/pickle-machine.ts";
import { readPickle } from "../formats/pickle-reader.ts";

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
