import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  createRng,
  pixels,
  thousand,
  unit,
  VlmR1Error,
  type Dataset,
  type FrameOf,
  type Sample,
} from "@vlmr1/core";
import { drawScenes, preview, sceneSplits, writeScenes, type LoadedDataset } from "@vlmr1/data";
import { addConfig, type GivenConfig } from "../config/command.ts";
import { scopes } from "../config/options.ts";
import { readConfig, type Tree } from "../config/read-config.ts";
import { RunConfig } from "../config/run-config.ts";
import { openDataset } from "../datasets/named-datasets.ts";
import { sampleCheck } from "../datasets/run-data.ts";
import { fetchNamed, spellOutHubDataset } from "../hub/named.ts";
import { modelFrame, withModel } from "../model/open-model.ts";
import { commandLine } from "../program.ts";
import type { Terminal } from "../terminal.ts";
import { numberOption } from "./options.ts";
import type { BuildCommand } from "./index.ts";

/** `vlmr1 data …`: look at data, check it, or draw some. */
export const buildData: BuildCommand = (command, terminal) => {
  const shown = command
    .command("preview")
    .description("a contact sheet and a page of samples with their boxes, as the model sees them")
    .option("--count <n>", "samples to show", numberOption, 12)
    .option("--first <n>", "the first one shown", numberOption, 0);
  addConfig(shown, scopes.data, (given) => previewData(given, terminal()));
  const checked = command.command("check").description("read every sample and report the bad ones");
  addConfig(checked, scopes.data, (given) => checkData(given, terminal()));
  const drawn = command
    .command("draw")
    .description("draw scenes with exact answers to disk, as COCO and RefCOCO files")
    .option("--all-splits", "also the splits that change one thing each");
  addConfig(drawn, scopes.draw, (given) => drawData(given, terminal()));
};

/** The data that a command line names, and the model when it names one. */
interface GivenData {
  readonly dataset: Dataset;
  /** The frame in which the model writes boxes; without a model, the one that was named, or pixels. */
  readonly frame: FrameOf;
  readonly config: RunConfig;
  /** Looks at a sample with the model's own processor; absent without a model. */
  readonly check?: (sample: Sample) => void;
}

/** Opens the data, and the model beside it when `--model` (or a file of options) names one. */
async function withGivenData<Result>(
  given: GivenConfig,
  preset: Tree,
  work: (data: GivenData) => Promise<Result>,
): Promise<Result> {
  const sources = { ...given, preset: () => preset, spellOut: spellOutHubDataset };
  const config = await fetchNamed(readConfig(RunConfig, given.options, sources), process.stderr);
  const open = (frame: FrameOf) => openDataset({ ...config, frame, stream: "training" });
  const isNamed = given.flags["model"] !== undefined || config.model !== "nano";
  if (isNamed) {
    return withModel(config, async (model) => {
      const frame = modelFrame(model, config.frame);
      return work({ dataset: await open(frame), frame, config, check: sampleCheck(model) });
    });
  }
  const frames = { auto: pixels, pixels, unit, thousand, resized: undefined };
  const frame: FrameOf | undefined = frames[config.frame];
  if (!frame) {
    throw new VlmR1Error(
      "invalid-argument",
      `--frame ${config.frame} depends on a model: name it with --model, or take pixels, unit or thousand.`,
    );
  }
  return work({ dataset: await open(frame), frame, config });
}

/** `vlmr1 data preview`: a contact sheet and a page of some samples. */
async function previewData(given: GivenConfig, terminal: Terminal): Promise<void> {
  await withGivenData(given, {}, async ({ dataset, frame, config }) => {
    const { count, first } = given.extras as { count: number; first: number };
    const title = `${config.dataset} ${config.data ?? ""} ${config.split ?? ""}`.trim();
    const { png, html, warnings } = await preview(dataset, { count, first, frame, title });
    const folder = config.out ?? "preview";
    mkdirSync(folder, { recursive: true });
    const [sheet, page] = [join(folder, "contact-sheet.png"), join(folder, "preview.html")];
    writeFileSync(sheet, png);
    writeFileSync(page, html);
    const lines = [
      `${dataset.length} samples`,
      `  page           ${page}`,
      `  contact sheet  ${sheet}`,
      ...warnings.map(({ id, warning }) => `! ${id}: ${warning}`),
    ];
    terminal.result({ samples: dataset.length, page, sheet, warnings }, lines.join("\n"));
  });
}

/** How many bad samples are told one by one. */
const shown = 20;
/** Samples read at a time, and between two lines of progress. */
const [atOnce, betweenProgress] = [8, 2000];

/**
 * `vlmr1 data check`: reads every sample, with `--model` as that model reads it, and says which are bad and why. The
 * command ends with 1 when a sample or record is bad.
 */
async function checkData(given: GivenConfig, terminal: Terminal): Promise<void> {
  // One bad record must not hide the next: loaders leave them out and remember why.
  const bad = await withGivenData(given, { onBadSample: "skip" }, async ({ dataset, check }) => {
    const unusable: { index: number; problem: string }[] = [];
    for (let start = 0; start < dataset.length; start += atOnce) {
      const indices = Array.from({ length: Math.min(atOnce, dataset.length - start) }, (_, i) => start + i);
      const problems = await Promise.all(indices.map((index) => problemOf(dataset, index, check)));
      problems.forEach((problem, i) => problem !== undefined && unusable.push({ index: start + i, problem }));
      if (start > 0 && start % betweenProgress === 0) terminal.say(`${start}/${dataset.length} read`);
    }
    return tellChecked(dataset as Partial<LoadedDataset<unknown>> & Dataset, unusable, terminal);
  });
  if (bad > 0) terminal.bad();
}

/** Says how many samples are good; gives the number of bad ones and of records left out, without the known flaws. */
function tellChecked(
  { length, skipped, warnings = [] }: Partial<LoadedDataset<unknown>> & Dataset,
  bad: readonly { readonly index: number; readonly problem: string }[],
  terminal: Terminal,
): number {
  const leftOut = skipped?.errors.map(({ message }) => message) ?? [];
  const count = skipped?.count ?? 0;
  const more = (all: number): string[] => (all > shown ? [`  and ${all - shown} more`] : []);
  const lines = [
    `${length} samples: ${length - bad.length} good, ${bad.length} bad${count > 0 ? `; ${count} records left out while loading` : ""}`,
    ...bad.slice(0, shown).map(({ index, problem }) => `! ${index}: ${problem}`),
    ...more(bad.length),
    ...leftOut.slice(0, shown).map((message) => `  left out: ${message}`),
    ...more(count),
    ...warnings.map((warning) => `? ${warning}`),
  ];
  terminal.result(
    { samples: length, good: length - bad.length, bad, leftOut, leftOutCount: count, warnings },
    lines.join("\n"),
  );
  return bad.length + count - (skipped?.known ?? 0);
}

async function problemOf(
  dataset: Dataset,
  index: number,
  check: ((sample: Sample) => void) | undefined,
): Promise<string | undefined> {
  try {
    const sample = await dataset.get(index);
    check?.(sample);
    return sample.prompt.trim() === "" ? "the prompt is empty" : undefined;
  } catch (error) {
    if (VlmR1Error.is(error)) return error.message;
    throw error;
  }
}

/** Share of drawn scenes that become the split `val`. */
const heldOutShare = 0.1;

/** `vlmr1 data draw`: drawn scenes as COCO and RefCOCO files, with the splits train, val and, for each change, its own. */
async function drawData(given: GivenConfig, terminal: Terminal): Promise<void> {
  const { scenes, seed, out = "scenes" } = readConfig(RunConfig, given.options, given);
  const { length, side, task } = scenes;
  if (task !== "referring")
    throw new VlmR1Error(
      "unsupported",
      `RefCOCO files hold referring expressions only, not ${task}. Draw those with --dataset scenes.`,
    );
  const rng = createRng(seed);
  const held = Math.max(1, Math.round(length * heldOutShare));
  const size = { width: side, height: side };
  const draw = (name: string, count: number, split: keyof typeof sceneSplits = scenes.kind) =>
    drawScenes({
      rng: rng.fork(`${name} scenes`),
      length: count,
      size,
      name,
      everyWordNeeded: false,
      ...sceneSplits[split],
    });
  const changes = given.extras["allSplits"]
    ? (Object.keys(sceneSplits) as (keyof typeof sceneSplits)[]).filter((name) => name !== "new-scenes")
    : [];
  const written = await writeScenes(
    {
      train: draw("training", length),
      val: draw("held-out", held),
      ...Object.fromEntries(changes.map((name) => [name, draw(name, held, name)])),
    },
    { root: out },
  );
  terminal.result(
    written,
    `${written.images} pictures with ${written.objects} objects\n  instances  ${written.instances}\n  references ${written.refs}\n\n` +
      `Train on them:  ${commandLine(["grpo", "--dataset", "refcoco", "--data", out, "--held-out", "val"])} --question plain --template plain`,
  );
}
