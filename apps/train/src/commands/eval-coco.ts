import { VlmR1Error } from "@vlmr1/core";
import type { Command } from "commander";
import type { Terminal } from "../terminal.ts";

interface Options {
  readonly annotations: string;
  readonly results: string;
  readonly iouType: string;
  readonly maxDets: string;
  readonly useCats: boolean;
  readonly perCategory?: boolean;
}

const labels = [
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
export function addEvalCoco(program: Command, terminal: () => Terminal): void {
  program
    .command("coco")
    .description("COCO AP and AR of a results file, equal to pycocotools")
    .requiredOption("--annotations <file>", "COCO instances file with the truth")
    .requiredOption("--results <file>", "COCO results file: a list of detections")
    .option("--iou-type <type>", "bbox or segm", "bbox")
    .option("--max-dets <list>", "detections per image and category, three ascending numbers", "1,10,100")
    .option("--no-use-cats", "treat all categories as one")
    .option("--per-category", "also list every category")
    .action((options: Options) => evaluate(options, terminal()));
}

async function evaluate(options: Options, terminal: Terminal): Promise<void> {
  const { iouType } = options;
  if (iouType !== "bbox" && iouType !== "segm") {
    throw new VlmR1Error("invalid-argument", `--iou-type is bbox or segm, got ${JSON.stringify(iouType)}.`);
  }
  const maxDets = options.maxDets.split(",").map((text) => (text.trim() === "" ? Number.NaN : Number(text)));
  const { evaluateCocoFiles } = await import("@vlmr1/eval/files");
  const { annotations, results, useCats } = options;
  const evaluation = await evaluateCocoFiles({ annotations, results, iouType, maxDets, useCats });
  const categories = options.perCategory
    ? evaluation.categories.map(({ id, name, stats }) => ({ id, name, stats }))
    : undefined;
  const line = (label: string, value: number | undefined): string =>
    `${label.padEnd(28)} ${(value ?? -1).toFixed(3)}`;
  const text = [
    ...labels.map((label, index) => line(label, evaluation.stats[index])),
    ...(categories ?? []).map(({ name, stats }) => line(`AP  ${name}`, stats[0])),
  ];
  terminal.result({ stats: evaluation.stats, ...(categories && { categories }) }, text.join("\n"));
}
