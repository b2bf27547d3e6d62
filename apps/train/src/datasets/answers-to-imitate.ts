import {
  convertBox,
  pixels,
  VlmR1Error,
  type Box,
  type Dataset,
  type FrameOf,
  type Sample,
} from "@vlmr1/core";

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
