import { VlmR1Error } from "@vlmr1/core";
import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { RunEvent, RunSink } from "./events.ts";

const eventsFile = "events.jsonl";
const metricsFile = "metrics.jsonl";

/**
 * Keeps a run on disk: `events.jsonl` has everything the report needs, `metrics.jsonl` one line of plain numbers a step.
 *
 * A resumed run appends; when it repeats a step, readers keep the later line.
 */
export function runFolderSink(directory: string): RunSink {
  mkdirSync(directory, { recursive: true });
  return {
    write(event) {
      appendFileSync(join(directory, eventsFile), `${JSON.stringify(event)}\n`);
      if (event.kind === "step") {
        const line = { step: event.step, seconds: event.seconds, ...event.metrics };
        appendFileSync(join(directory, metricsFile), `${JSON.stringify(line)}\n`);
      }
    },
    close() {},
  };
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
  const lines = readFileSync(path, "utf8").split("\n");
  const last = lines.length - 1; // what follows the last newline: empty, or cut off
  const events = lines.slice(0, last).flatMap((line, index): RunEvent[] => {
    if (line === "") return [];
    try {
      return [JSON.parse(line) as RunEvent];
    } catch (cause) {
      throw new VlmR1Error("invalid-data", `${path}, line ${index + 1} is not JSON. Remove it to go on.`, {
        cause,
      });
    }
  });
  return withoutRepeatedSteps(events);
}

/** After a resume, the steps since the checkpoint appear twice; the second time is the one that counts. */
function withoutRepeatedSteps(events: readonly RunEvent[]): RunEvent[] {
  const latest = new Map<string, number>();
  const keyOf = (event: RunEvent): string | undefined => {
    if (event.kind === "step" || event.kind === "answers") return `${event.kind} ${event.step}`;
    return event.kind === "evaluation" ? `evaluation ${event.name}` : undefined;
  };
  events.forEach((event, index) => {
    const key = keyOf(event);
    if (key !== undefined) latest.set(key, index);
  });
  return events.filter((event, index) => {
    const key = keyOf(event);
    return key === undefined || latest.get(key) === index;
  });
}
