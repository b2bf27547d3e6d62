import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createRng, pixels, thousand, unit, VlmR1Error, type Dataset, type FrameOf } from "@vlmr1/core";
import { drawScenes, preview, sceneSplits, writeScenes } from "@vlmr1/data";
import { addConfig, type GivenConfig } from "../config/command.ts";
import { scopes } from "../config/options.ts";
import { readConfig, type Tree } from "../config/read-config.ts";
import { RunConfig } from "../config/run-config.ts";
import { openDataset } from "../datasets/named-datasets.ts";
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

const frames: Readonly<Partial<Record<RunConfig["frame"], FrameOf>>> = {
  auto: pixels,
  pixels,
  unit,
  thousand,
};

/** The data that a command line names, in a frame that needs no model. */
async function givenData(
  given: GivenConfig,
  preset: Tree = {},
): Promise<{ dataset: Dataset; frame: FrameOf; config: RunConfig }> {
  const config = readConfig(RunConfig, given.options, { ...given, preset: () => preset });
  const frame = frames[config.frame];
  if (!frame)
    throw new VlmR1Error(
      "invalid-argument",
      `--frame ${config.frame} depends on a model; take pixels, unit or thousand here.`,
    );
  return { dataset: await openDataset({ ...config, frame, stream: "training" }), frame, config };
}

/** `vlmr1 data preview`: a contact sheet and a page of some samples. */
async function previewData(given: GivenConfig, terminal: Terminal): Promise<void> {
  const { dataset, frame, config } = await givenData(given);
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
}

/** How many bad samples are told one by one. */
const shown = 20;

/** `vlmr1 data check`: reads every sample, and says which are bad and why. */
async function checkData(given: GivenConfig, terminal: Terminal): Promise<void> {
  // One bad record must not hide the next: loaders leave them out and remember why.
  const { dataset } = await givenData(given, { onBadSample: "skip" });
  const bad: { index: number; problem: string }[] = [];
  const atOnce = 8;
  for (let start = 0; start < dataset.length; start += atOnce) {
    const indices = Array.from({ length: Math.min(atOnce, dataset.length - start) }, (_, i) => start + i);
    const problems = await Promise.all(indices.map((index) => problemOf(dataset, index)));
    problems.forEach((problem, i) => problem !== undefined && bad.push({ index: start + i, problem }));
  }
  const skipped = (
    dataset as { readonly skipped?: { readonly count: number; readonly errors: readonly Error[] } }
  ).skipped;
  const leftOut = skipped?.errors.map(({ message }) => message) ?? [];
  const lines = [
    `${dataset.length} samples: ${dataset.length - bad.length} good, ${bad.length} bad${skipped?.count ? `, ${skipped.count} left out` : ""}`,
    ...bad.slice(0, shown).map(({ index, problem }) => `! ${index}: ${problem}`),
    ...(bad.length > shown ? [`  and ${bad.length - shown} more`] : []),
    ...leftOut.slice(0, shown).map((message) => `  left out: ${message}`),
  ];
  terminal.result({ samples: dataset.length, bad, leftOut }, lines.join("\n"));
}

async function problemOf(dataset: Dataset, index: number): Promise<string | undefined> {
  try {
    const sample = await dataset.get(index);
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
