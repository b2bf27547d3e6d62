import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createRng, VlmR1Error, type CompletionModel } from "@vlmr1/core";
import {
  detectionsToMarkdown,
  evaluate,
  reportToJson,
  reportToMarkdown,
  type DetectionEvaluation,
  type EvaluationReport,
} from "@vlmr1/eval";
import { evaluateCocoFiles } from "@vlmr1/eval/files";
import { sampleMessages, type Model } from "@vlmr1/model";
import { addConfig, type GivenConfig } from "../config/command.ts";
import { scopes } from "../config/options.ts";
import { resolveConfig } from "../config/resolve.ts";
import type { RunConfig } from "../config/run-config.ts";
import { openDataset, truthOf, type DataRequest } from "../datasets/named-datasets.ts";
import { tellDoubts } from "../datasets/run-data.ts";
import { fetchNamed } from "../hub/named.ts";
import { modelFrame, withModel } from "../model/open-model.ts";
import { evaluationMetrics } from "../plan/decide.ts";
import { listenForInterruption, type Terminal } from "../terminal.ts";
import { detectionOf, writeDetections } from "./detection.ts";
import type { BuildCommand } from "./index.ts";

/** `vlmr1 eval …`: what a model, or a file of results, is worth. */
export const buildEvaluate: BuildCommand = (command, terminal) => {
  const model = command
    .command("model")
    .description("named metrics of a checkpoint on a dataset, with intervals, as JSON and Markdown");
  addConfig(model, scopes.evaluate, (given) => evaluateModel(given, terminal()));
  command
    .command("coco")
    .description("COCO AP and AR of a results file, equal to pycocotools")
    .requiredOption("--annotations <file>", "COCO instances file with the truth")
    .requiredOption("--results <file>", "COCO results file: a list of detections")
    .option("--iou-type <type>", "bbox or segm", "bbox")
    .option("--max-dets <list>", "detections per image and category, three ascending numbers", "1,10,100")
    .option("--no-use-cats", "treat all categories as one")
    .option("--per-category", "also list every category")
    .action((options: CocoOptions) => evaluateCoco(options, terminal()));
};

/** Measures a checkpoint on a dataset and puts report.json and report.md into the run folder. */
async function evaluateModel(given: GivenConfig, terminal: Terminal): Promise<void> {
  const { config: named, directory } = resolveConfig(given, "eval");
  const { say } = terminal;
  const config = await fetchNamed(named, terminal.out);
  const interruption = listenForInterruption(say);
  try {
    say(`Loading ${config.model}`);
    const measured = await withModel({ ...config, precision: config.basePrecision }, (model) =>
      measure(model, config, say, interruption.signal),
    );
    const { report, detection } = measured;
    mkdirSync(directory, { recursive: true });
    const title = `${config.model} on ${config.dataset} ${config.split ?? ""}`.trim();
    const whole = detection ? `\n${detectionsToMarkdown(detection)}` : "";
    const markdown = reportToMarkdown(report, { title }) + whole;
    writeFileSync(join(directory, "report.json"), reportToJson(report));
    writeFileSync(join(directory, "report.md"), markdown);
    const { samples, leftOut, level, totals, passAt, groups } = report;
    const coco = detection && {
      intervals: detection.intervals,
      ...(detection.nms && { nmsAp: detection.nms.intervals }),
      categories: detection.coco.categories.map(({ name, truths, stats }) => ({ name, truths, stats })),
      unknownLabels: detection.unknownLabels,
      ...writeDetections(directory, detection),
    };
    terminal.result(
      {
        samples,
        leftOut,
        level,
        totals,
        passAt,
        groups,
        ...(coco && { coco }),
        report: join(directory, "report.json"),
      },
      markdown,
    );
  } finally {
    interruption.dispose();
  }
}

async function measure(
  model: Model,
  config: RunConfig,
  say: (text: string) => void,
  signal: AbortSignal,
): Promise<{ readonly report: EvaluationReport; readonly detection?: DetectionEvaluation }> {
  const frame = modelFrame(model, config.frame);
  const request: DataRequest = { ...config, frame, stream: "held-out" };
  const truth = truthOf(request);
  const metrics = await evaluationMetrics(config, truth, { frame });
  const dataset = await openDataset(request);
  tellDoubts(dataset, say);
  const { batchSize, temperature, completions, maxNewTokens = 256 } = config.evaluation;
  const rng = createRng(config.seed).fork("evaluation");
  let answered = 0;
  const report = await evaluate({
    model: answering(model),
    dataset,
    metrics,
    rng,
    batchSize,
    temperature,
    completions,
    maxNewTokens,
    onBadSample: config.onBadSample,
    signal,
    onRow: () => {
      answered++;
      if (answered % 100 === 0 || answered === dataset.length) say(`${answered}/${dataset.length} answered`);
    },
  });
  if (!truth.includes("objects")) return { report };
  const nmsAp = config.dataset === "ovdeval";
  return { report, detection: await detectionOf(report, { dataset, frame, rng, nmsAp }) };
}

/** A model as something that answers samples. */
function answering(model: Model): CompletionModel {
  return {
    complete: async (
      samples,
      { count, rng, signal, maxNewTokens, temperature, topK, topP, minP, ...rest },
    ) => {
      const prompts = samples.map((sample) =>
        model.preprocess({ messages: sampleMessages(sample), images: sample.images }),
      );
      const { repetitionPenalty, stop } = rest;
      return model.generate(prompts, {
        count,
        rng,
        ...(signal && { signal }),
        ...(maxNewTokens !== undefined && { maxNewTokens }),
        ...(temperature !== undefined && { temperature }),
        // Greedy is the likeliest token of the raw distribution, unless a penalty is asked for.
        ...(temperature === 0 && { repetitionPenalty: 1 }),
        ...(topK !== undefined && { topK }),
        ...(topP !== undefined && { topP }),
        ...(minP !== undefined && { minP }),
        ...(repetitionPenalty !== undefined && { repetitionPenalty }),
        ...(stop && { stop }),
      });
    },
  };
}

interface CocoOptions {
  readonly annotations: string;
  readonly results: string;
  readonly iouType: string;
  readonly maxDets: string;
  readonly useCats: boolean;
  readonly perCategory?: boolean;
}

const cocoLabels = [
  "AP  IoU 0.50:0.95  all",
  "AP  IoU 0.50       all",
  "AP  IoU 0.75       all",
  "AP  IoU 0.50:0.95  small",
  "AP  IoU 0.50:0.95  medium",
  "AP  IoU 0.50:0.95  large",
  "AR  fewest detections",
  "AR  more detections",
  "AR  most detections",
  "AR  most, small",
  "AR  most, medium",
  "AR  most, large",
];

/** `vlmr1 eval coco`: the twelve COCO numbers of a results file, equal to pycocotools. */
async function evaluateCoco(options: CocoOptions, terminal: Terminal): Promise<void> {
  const { iouType } = options;
  if (iouType !== "bbox" && iouType !== "segm") {
    throw new VlmR1Error("invalid-argument", `--iou-type is bbox or segm, got ${JSON.stringify(iouType)}.`);
  }
  const maxDets = options.maxDets.split(",").map((text) => (text.trim() === "" ? Number.NaN : Number(text)));
  const { annotations, results, useCats } = options;
  const evaluation = await evaluateCocoFiles({ annotations, results, iouType, maxDets, useCats });
  const categories = options.perCategory
    ? evaluation.categories.map(({ id, name, stats }) => ({ id, name, stats }))
    : undefined;
  const line = (label: string, value: number | undefined): string =>
    `${label.padEnd(28)} ${(value ?? -1).toFixed(3)}`;
  const text = [
    ...cocoLabels.map((label, index) => line(label, evaluation.stats[index])),
    ...(categories ?? []).map(({ name, stats }) => line(`AP  ${name}`, stats[0])),
  ];
  terminal.result({ stats: evaluation.stats, ...(categories && { categories }) }, text.join("\n"));
}
