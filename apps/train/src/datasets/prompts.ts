import {
  VlmR1Error,
  convertBox,
  pixels,
  type Box,
  type Dataset,
  type FrameOf,
  type Sample,
} from "@vlmr1/core";
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

/** Answers to imitate, where the data has only the truth. */
const usual = {
  box: '<answer> {"bbox_2d": {box}} </answer>',
  objects: "<answer> ```json\n{objects}\n``` </answer>",
  solution: "{solution}",
  answer: "<answer> {answer} </answer>",
};

interface Truth {
  readonly box?: Box;
  readonly objects?: readonly { readonly box: Box; readonly label: string }[];
  readonly solution?: string;
  readonly answer?: string | number;
}

/**
 * Gives each sample an answer that supervised fine-tuning can imitate: its own, or one written from its target.
 *
 * @param template a text with {box}, {objects}, {solution} or {answer}; when it is given, it wins over the data's own answer.
 * @param frame boxes are written in it: whole numbers, or three decimals for fractions.
 */
export function withAnswers(dataset: Dataset, frame: FrameOf, template?: string): Dataset {
  return {
    length: dataset.length,
    get: async (index) => {
      const sample = await dataset.get(index);
      if (template === undefined && sample.answer !== undefined) return sample;
      return { ...sample, answer: writtenAnswer(sample, frame, template) };
    },
  };
}

function writtenAnswer(sample: Sample, frame: FrameOf, template: string | undefined): string {
  const truth = (sample.target ?? {}) as Truth;
  const kind = (["box", "objects", "solution", "answer"] as const).find((name) => truth[name] !== undefined);
  const text = template ?? (kind && usual[kind]);
  if (text === undefined) {
    throw new VlmR1Error(
      "invalid-data",
      `Sample ${sample.id} has no answer and no truth to write one from. Say what to write with --answer-template.`,
    );
  }
  const write = (box: Box): string => boxText(box, sample, frame);
  const objects = (truth.objects ?? []).map(
    ({ box, label }) => `{"bbox_2d": ${write(box)}, "label": ${JSON.stringify(label)}}`,
  );
  const values: Record<string, string | undefined> = {
    box: truth.box && write(truth.box),
    objects: truth.objects && `[${objects.join(", ")}]`,
    solution: truth.solution,
    answer: truth.answer === undefined ? undefined : String(truth.answer),
  };
  return text.replaceAll(/\{(box|objects|solution|answer)\}/g, (_, name: string) => {
    const value = values[name];
    if (value !== undefined) return value;
    throw new VlmR1Error(
      "invalid-data",
      `The answer template has {${name}}, but sample ${sample.id} has ${Object.keys(truth).join(", ") || "no truth"}.`,
    );
  });
}

function boxText(box: Box, sample: Sample, frame: FrameOf): string {
  const [image] = sample.images;
  if (!image) throw new VlmR1Error("invalid-data", `Sample ${sample.id} has a box but no image.`);
  const target = frame(image);
  const numbers = convertBox(box, pixels(image), target);
  return `[${numbers.map((value) => (target.kind === "unit" ? value.toFixed(3) : Math.round(value))).join(", ")}]`;
}
