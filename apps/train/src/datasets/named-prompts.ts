import { VlmR1Error } from "@vlmr1/core";
import {
  detectionQuestion,
  detectionQuestionInTags,
  jsonAnswerTemplate,
  odinwQuestion,
  odLengthTemplate,
  plainTemplate,
  r1vTemplate,
  recBaselineTemplate,
  recQuestion,
  recTemplate,
  thinkTemplate,
  type PromptTemplate,
} from "@vlmr1/data";

const templates: Readonly<Record<string, PromptTemplate>> = {
  plain: plainTemplate,
  rec: recTemplate,
  think: thinkTemplate,
  json: jsonAnswerTemplate,
  "od-length": odLengthTemplate,
  "rec-baseline": recBaselineTemplate,
  r1v: r1vTemplate,
};

const expressionQuestions: Readonly<Record<string, (expression: string) => string>> = {
  plain: (expression) => expression,
  rec: recQuestion,
};

const nameQuestions: Readonly<Record<string, (names: readonly string[]) => string>> = {
  plain: (names) => names.join(", "),
  detection: detectionQuestion,
  "detection-in-tags": detectionQuestionInTags,
  odinw: odinwQuestion,
};

/** The template of this name, or the one that a text with `{}` describes. @throws VlmR1Error `invalid-argument` for anything else. */
export function namedTemplate(name: string): PromptTemplate {
  return templates[name] ?? filled("template", name, Object.keys(templates));
}

/** How an expression is asked, by name or as a text with `{}`. */
export function expressionQuestion(name: string): (expression: string) => string {
  return expressionQuestions[name] ?? filled("question", name, Object.keys(expressionQuestions));
}

/** How a list of names is asked, by name or as a text with `{}`. */
export function namesQuestion(name: string): (names: readonly string[]) => string {
  const known = nameQuestions[name];
  if (known) return known;
  const fill = filled("question", name, Object.keys(nameQuestions));
  return (names) => fill(names.join(", "));
}

function filled(what: string, text: string, known: readonly string[]): (value: string) => string {
  const [before, ...after] = text.split("{}");
  if (after.length === 1) return (value) => `${before}${value}${after[0]}`;
  throw new VlmR1Error(
    "invalid-argument",
    `${what} is ${known.join(", ")}, or a text with {} where the words go; got ${JSON.stringify(text)}.`,
  );
}
