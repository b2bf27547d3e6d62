import { isBox, VlmR1Error, type Box, type Point, type ScoredSample } from "@vlmr1/core";

/** The truth of a grounding sample: one box in pixels of the sample's image. */
export interface BoxTarget {
  readonly box: Box;
}

/**
 * The truth of a detection sample: every object that the prompt asks for, in pixels of the sample's image;
 * none is a valid truth.
 */
export interface ObjectsTarget {
  readonly objects: readonly LabelledBox[];
}

/** One object of a detection truth. */
export interface LabelledBox {
  readonly box: Box;
  readonly label: string;
}

/** The truth of a pointing sample: a point in pixels of the sample's image. */
export interface PointTarget {
  readonly point: Point;
}

/** The truth of a question: a word, sentence, letter, number or formula. */
export interface AnswerTarget {
  readonly answer: string | number;
}

/** The box of a target. @throws VlmR1Error `invalid-data` when it is not one. */
export function targetBox(sample: ScoredSample<BoxTarget>): Box {
  const box: unknown = record(sample)["box"];
  if (isBox(box)) return box;
  throw malformed(sample, "box", "[x1, y1, x2, y2] in pixels with x1 < x2 and y1 < y2", box);
}

/** The objects of a target. @throws VlmR1Error `invalid-data` when they are malformed. */
export function targetObjects(sample: ScoredSample<ObjectsTarget>): readonly LabelledBox[] {
  const objects: unknown = record(sample)["objects"];
  if (Array.isArray(objects) && objects.every(isLabelledBox)) return objects;
  throw malformed(sample, "objects", "a list of { box: [x1, y1, x2, y2], label: string }", objects);
}

/** The point of a target. @throws VlmR1Error `invalid-data` when it is not one. */
export function targetPoint(sample: ScoredSample<PointTarget>): Point {
  const point: unknown = record(sample)["point"];
  if (Array.isArray(point) && point.length === 2 && point.every(Number.isFinite)) {
    return point as unknown as Point;
  }
  throw malformed(sample, "point", "[x, y] in pixels", point);
}

/**
 * The answer of a target as text. @throws VlmR1Error `invalid-data` when it is neither text nor a finite
 * number.
 */
export function targetAnswer(sample: ScoredSample<AnswerTarget>): string {
  const answer: unknown = record(sample)["answer"];
  if (typeof answer === "string") return answer;
  if (typeof answer === "number" && Number.isFinite(answer)) return String(answer);
  throw malformed(sample, "answer", "a string or a finite number", answer);
}

/**
 * The error for a target that a reward cannot use: it names the sample, the field, what is wanted and what
 * is there.
 */
export function malformed(sample: ScoredSample, field: string, wanted: string, found: unknown): VlmR1Error {
  return new VlmR1Error(
    "invalid-data",
    `Sample "${sample.id}": target.${field} must be ${wanted}, got ${JSON.stringify(found)?.slice(0, 200) ?? "nothing"}.`,
  );
}

function record(sample: ScoredSample): Record<string, unknown> {
  const { target } = sample;
  return typeof target === "object" && target !== null ? (target as Record<string, unknown>) : {};
}

function isLabelledBox(value: unknown): value is LabelledBox {
  if (typeof value !== "object" || value === null) return false;
  const { box, label } = value as Partial<LabelledBox>;
  return isBox(box) && typeof label === "string";
}
