import { createHash } from "node:crypto";
import {
  appendFileSync,
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
} from "node:fs";
import { join } from "node:path";
import { VlmR1Error } from "@vlmr1/core";
import { completionsPage } from "../pages/completions.ts";
import { reportPage } from "../pages/report.ts";
import { writeWhole } from "./claim.ts";
import type { EventOf, LoggedPrompt, RecordedPrompt, RunEvent, RunPicture, RunSink } from "./events.ts";

const eventsFile = "events.jsonl";
const metricsFile = "metrics.jsonl";
const completionsFile = "completions.jsonl";
const picturesFolder = "pictures";

/** The report shows rollouts now and then, and some prompts of each: pictures are large. */
const rolloutsEvery = 10;
const shownPrompts = 8;

/**
 * Keeps a run on disk: `events.jsonl` has everything the report needs, `metrics.jsonl` one line of plain numbers a step, and
 * `completions.jsonl` every prompt of a step with all its completions; its pictures lie beside it.
 *
 * A resumed run appends; when it repeats a step, readers keep the later lines.
 *
 * @param logEvery steps between the rollouts that go into completions.jsonl; 0 keeps none.
 */
export function runFolderSink(
  directory: string,
  { logEvery = 1 }: { readonly logEvery?: number } = {},
): RunSink {
  mkdirSync(directory, { recursive: true });
  for (const file of [eventsFile, metricsFile, completionsFile]) cutToLastLine(join(directory, file));
  const append = (file: string, value: unknown): void =>
    appendFileSync(join(directory, file), `${JSON.stringify(value)}\n`);
  let steps = 0;
  const writeRollout = (event: EventOf<"rollout">): void => {
    const { step, prompts } = event;
    if (logEvery > 0 && (step - 1) % logEvery === 0) {
      prompts.forEach((prompt, index) =>
        append(completionsFile, { step, index, ...withPictureFile(prompt, directory) }),
      );
    }
    if (step === 1 || step % rolloutsEvery === 0 || step === steps)
      append(eventsFile, { ...event, prompts: prompts.slice(0, shownPrompts) });
  };
  return {
    write(event) {
      if (event.kind === "rollout") return writeRollout(event);
      append(eventsFile, event);
      if (event.kind !== "step") return;
      steps = event.steps;
      append(metricsFile, { step: event.step, seconds: event.seconds, ...event.metrics });
    },
    close() {},
  };
}

/** Takes away a last line that was cut off: what is appended after it would make one broken line of two. */
function cutToLastLine(path: string): void {
  if (!existsSync(path)) return;
  const file = openSync(path, "r+");
  try {
    const chunk = Buffer.alloc(65_536);
    let end = fstatSync(file).size;
    const size = end;
    while (end > 0) {
      const start = Math.max(0, end - chunk.length);
      const read = readSync(file, chunk, 0, end - start, start);
      const newline = chunk.subarray(0, read).lastIndexOf(10);
      end = newline >= 0 ? start + newline + 1 : start;
      if (newline >= 0) break;
    }
    if (end < size) ftruncateSync(file, end);
  } finally {
    closeSync(file);
  }
}

/** Whether the measurement of this name stands in a run's records. */
export function hasEvaluation(directory: string, name: string): boolean {
  if (!existsSync(join(directory, eventsFile))) return false;
  return readRun(directory).some((event) => event.kind === "evaluation" && event.name === name);
}

/** The steps whose numbers stand in metrics.jsonl. */
export function loggedSteps(directory: string): Set<number> {
  const path = join(directory, metricsFile);
  if (!existsSync(path)) return new Set();
  return new Set(readLines<{ readonly step: number }>(path).map(({ step }) => step));
}

/** The same prompt with its picture as a file in the run's folder, written once however often it is asked. */
function withPictureFile(prompt: RecordedPrompt, directory: string): RecordedPrompt {
  const { picture } = prompt;
  const [, type = "", data = ""] = /^data:image\/(png|webp);base64,(.*)$/s.exec(picture?.url ?? "") ?? [];
  if (!picture || type === "") return prompt;
  const digest = createHash("sha256").update(data).digest("hex").slice(0, 24);
  const url = `${picturesFolder}/${digest}.${type}`;
  const path = join(directory, url);
  if (!existsSync(path)) {
    mkdirSync(join(directory, picturesFolder), { recursive: true });
    writeWhole(path, Buffer.from(data, "base64"));
  }
  const file: RunPicture = { ...picture, url };
  return { ...prompt, picture: file };
}

/**
 * Draws the pages of a run from its records: `report.html`, and `completions.html` when completions were logged.
 *
 * @param out where the report goes; the other page stays beside the pictures.
 * @returns the paths of the pages.
 */
export function writePages(
  directory: string,
  out = join(directory, "report.html"),
): { readonly report: string; readonly completions?: string } {
  const events = readRun(directory);
  const isLogged = existsSync(join(directory, completionsFile));
  writeWhole(out, reportPage(events, { hasLog: isLogged && out === join(directory, "report.html") }));
  if (!isLogged) return { report: out };
  const completions = join(directory, "completions.html");
  const title = events.find((event) => event.kind === "start")?.title ?? "A run";
  writeWhole(completions, completionsPage(title, readCompletions(directory)));
  return { report: out, completions };
}

/**
 * Reads a run back. A half-written last line, as `kill -9` leaves it, is dropped.
 *
 * @throws VlmR1Error `not-found` when the folder holds no run, `invalid-data` for a damaged line before the last.
 */
export function readRun(directory: string): RunEvent[] {
  const path = join(directory, eventsFile);
  if (!existsSync(path)) {
    throw new VlmR1Error("not-found", `${path} does not exist: ${directory} is not the folder of a run.`);
  }
  return latestOnly(readLines<RunEvent>(path), (event) => {
    if (event.kind === "step" || event.kind === "rollout") return `${event.kind} ${event.step}`;
    return event.kind === "evaluation" ? `evaluation ${event.name}` : undefined;
  });
}

/** Every logged prompt of a run with its completions, the latest where a resumed run repeated a step. */
export function readCompletions(directory: string): LoggedPrompt[] {
  const lines = readLines<LoggedPrompt>(join(directory, completionsFile));
  return latestOnly(lines, ({ step, index }) => `${step} ${index}`);
}

function readLines<Line>(path: string): Line[] {
  const lines = readFileSync(path, "utf8").split("\n");
  const last = lines.length - 1; // what follows the last newline: empty, or cut off
  return lines.slice(0, last).flatMap((line, index): Line[] => {
    if (line === "") return [];
    try {
      return [JSON.parse(line) as Line];
    } catch (cause) {
      throw new VlmR1Error("invalid-data", `${path}, line ${index + 1} is not JSON. Remove it to go on.`, {
        cause,
      });
    }
  });
}

/** After a resume, the steps since the checkpoint appear twice; the second time is the one that counts. */
function latestOnly<Line>(lines: readonly Line[], keyOf: (line: Line) => string | undefined): Line[] {
  const latest = new Map<string, number>();
  lines.forEach((line, index) => {
    const key = keyOf(line);
    if (key !== undefined) latest.set(key, index);
  });
  return lines.filter((line, index) => {
    const key = keyOf(line);
    return key === undefined || latest.get(key) === index;
  });
}
