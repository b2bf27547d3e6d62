import {
  convertBox,
  isBox,
  pixels,
  type Box,
  type Dataset,
  type FrameOf,
  type Sample,
  type RgbImage,
} from "@vlmr1/core";
import type { EvaluationReport, MeanInterval } from "@vlmr1/eval";
import type { RolloutGroup } from "@vlmr1/grpo";
import { readBoxes } from "@vlmr1/rewards";
import sharp from "sharp";
import type { AnswerGroup, Estimate, EvaluationExample, RunEvent, RunPicture } from "./events.ts";

/** The prompts of one step with their answers, as the run's pages show them. `limit` keeps the run folder small. */
export async function answerGroups(
  groups: readonly RolloutGroup[],
  frame: FrameOf,
  limit: number,
): Promise<AnswerGroup[]> {
  return Promise.all(
    groups.slice(0, limit).map(async ({ sample, completions, rewards }) => ({
      ...(await asked(sample)),
      answers: completions.map(({ text }, index) => ({
        text,
        total: rewards[index]?.total ?? 0,
        scores: rewards[index]?.scores ?? {},
        ...boxOf(text, sample, frame),
      })),
    })),
  );
}

/**
 * An evaluation as an event of the run, with the pictures of its first samples.
 *
 * @param shown the metric that ranks examples in the report.
 */
export async function evaluationEvent(
  report: EvaluationReport,
  options: {
    readonly name: string;
    readonly step: number;
    readonly dataset: Dataset;
    readonly frame: FrameOf;
    readonly shown: string;
    readonly examples: number;
  },
): Promise<Extract<RunEvent, { kind: "evaluation" }>> {
  const { dataset, frame, shown } = options;
  const examples = await Promise.all(
    report.rows.slice(0, options.examples).map(async (row): Promise<EvaluationExample> => {
      const sample = await dataset.get(row.index);
      return {
        ...(await asked(sample)),
        ...(row.group !== undefined && { group: row.group }),
        answers: row.completions.map(({ text, scores }) => ({
          text,
          total: scores[shown] ?? 0,
          scores,
          ...boxOf(text, sample, frame),
        })),
      };
    }),
  );
  return {
    kind: "evaluation",
    step: options.step,
    name: options.name,
    metrics: estimates(report.totals, report.samples),
    groups: Object.fromEntries(
      report.groups.map(({ group, samples, totals }) => [group, estimates(totals, samples)]),
    ),
    examples,
  };
}

async function asked(sample: Sample): Promise<Omit<AnswerGroup, "answers">> {
  const [image] = sample.images;
  const truth = (sample.target as { readonly box?: unknown } | null)?.box;
  return {
    id: sample.id,
    prompt: sample.prompt,
    ...(image && { picture: await runPicture(image) }),
    ...(isBox(truth) && { truth }),
  };
}

/** The first box that an answer writes, in pixels of the sample's first image. */
function boxOf(text: string, sample: Sample, frame: FrameOf): { box?: Box } {
  const [image] = sample.images;
  const [written] = readBoxes(text);
  if (!image || !written) return {};
  return { box: convertBox(written, frame(image), pixels(image)) };
}

function estimates(totals: Readonly<Record<string, MeanInterval>>, count: number): Record<string, Estimate> {
  return Object.fromEntries(
    Object.entries(totals).map(([name, { mean, low, high }]) => [name, { value: mean, low, high, count }]),
  );
}

/** Longest side of a picture in a report, in pixels: larger photos are scaled down, their boxes stay in their own pixels. */
const longestSide = 384;

/** A picture for the run's pages: small drawings as they are (PNG), photos scaled down (WebP). */
export async function runPicture({ width, height, data }: RgbImage): Promise<RunPicture> {
  const picture = sharp(data, { raw: { width, height, channels: 3 } });
  const isSmall = Math.max(width, height) <= 128;
  const bytes = isSmall
    ? await picture.png({ compressionLevel: 9 }).toBuffer()
    : await picture
        .resize({ width: longestSide, height: longestSide, fit: "inside", withoutEnlargement: true })
        .webp()
        .toBuffer();
  return { url: `data:image/${isSmall ? "png" : "webp"};base64,${bytes.toString("base64")}`, width, height };
}
