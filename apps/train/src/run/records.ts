import {
  convertBox,
  isBox,
  pixels,
  type Box,
  type Dataset,
  type FrameOf,
  type RgbImage,
  type Sample,
  type ScoreFunction,
} from "@vlmr1/core";
import type { EvaluationReport, MeanInterval } from "@vlmr1/eval";
import type { RolloutGroup } from "@vlmr1/grpo";
import { audit, readBoxes } from "@vlmr1/rewards";
import sharp from "sharp";
import type { Estimate, EventOf, RecordedPrompt, RunPicture } from "./events.ts";

/** The prompts of one step with all completions, as an event of the run. */
export async function rolloutEvent(
  step: number,
  groups: readonly RolloutGroup[],
  frame: FrameOf,
): Promise<EventOf<"rollout">> {
  const prompts = groups.map(async ({ sample, completions, rewards, advantages }) => ({
    ...(await promptOf(sample)),
    completions: completions.map(({ text, tokenIds, finishReason }, index) => ({
      text,
      total: rewards[index]?.total ?? 0,
      rewards: rewards[index]?.scores ?? {},
      advantage: advantages[index] ?? 0,
      tokens: tokenIds.length,
      truncated: finishReason !== "stop",
      boxes: boxesOf(text, sample, frame),
    })),
  }));
  return { kind: "rollout", step, prompts: await Promise.all(prompts) };
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
): Promise<EventOf<"evaluation">> {
  const { name, step, dataset, frame, shown } = options;
  const examples = await Promise.all(
    report.rows.slice(0, options.examples).map(async (row): Promise<RecordedPrompt> => {
      const sample = await dataset.get(row.index);
      return {
        ...(await promptOf(sample)),
        ...(row.group !== undefined && { group: row.group }),
        completions: row.completions.map(({ text, scores }) => ({
          text,
          total: scores[shown] ?? 0,
          rewards: scores,
          boxes: boxesOf(text, sample, frame),
        })),
      };
    }),
  );
  return {
    kind: "evaluation",
    step,
    name,
    metrics: estimates(report.totals, report.samples),
    groups: Object.fromEntries(
      report.groups.map(({ group, samples, totals }) => [group, estimates(totals, samples)]),
    ),
    examples,
  };
}

/** Samples that the rewards are audited on. */
const auditedSamples = 16;

/** What known exploits would earn under a run's own rewards on its own data, as an event of the run. */
export async function auditEvent<Target>(
  score: ScoreFunction<Target>,
  dataset: Dataset<Target>,
  frame: FrameOf,
): Promise<EventOf<"audit">> {
  const count = Math.min(auditedSamples, dataset.length);
  const samples = await Promise.all(Array.from({ length: count }, (_, index) => dataset.get(index)));
  const rows = await audit(score, { samples, frame });
  return {
    kind: "audit",
    rows: rows.map(({ exploit, description, earned, honest, beatsHonest }) => ({
      exploit,
      "what it writes": description,
      earns: earned,
      "an honest completion earns": honest,
      pays: beatsHonest,
    })),
  };
}

async function promptOf(sample: Sample): Promise<Omit<RecordedPrompt, "completions">> {
  const [image] = sample.images;
  const { id, prompt, group } = sample;
  return {
    id,
    prompt,
    ...(group !== undefined && { group }),
    ...(image && { picture: await runPicture(image) }),
    truth: truthOf(sample.target),
  };
}

/** The boxes of a target: of the one object, or of all. */
function truthOf(target: unknown): Box[] {
  const { box, objects } = (target ?? {}) as { readonly box?: unknown; readonly objects?: unknown };
  if (isBox(box)) return [box];
  if (!Array.isArray(objects)) return [];
  return objects.map((object) => (object as { readonly box?: unknown } | null)?.box).filter(isBox);
}

/** More boxes than anybody can see: a flood is told apart from a crowd long before. */
const mostBoxes = 100;

/** The boxes that a completion names, in pixels of the sample's first image. */
function boxesOf(text: string, sample: Sample, frame: FrameOf): Box[] {
  const [image] = sample.images;
  if (!image) return [];
  return readBoxes(text)
    .slice(0, mostBoxes)
    .map((box) => convertBox(box, frame(image), pixels(image)));
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
