import { appendFileSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { RunEvent } from "../../src/run/events.ts";
import { readRun, runFolderSink } from "../../src/run/folder.ts";

const step = (index: number, loss: number): RunEvent => ({
  kind: "step",
  step: index,
  steps: 10,
  seconds: index,
  metrics: { loss },
});

test("reads back what it wrote, and metrics.jsonl has one flat line a step", async () => {
  const directory = mkdtempSync(join(tmpdir(), "vlmr1-run-"));
  const sink = runFolderSink(directory);
  const events = [step(0, 3), { kind: "notice", step: 0, level: "info", text: "hello" } as const, step(1, 2)];
  for (const event of events) await sink.write(event);
  expect(readRun(directory)).toEqual(events);
  const lines = readFileSync(join(directory, "metrics.jsonl"), "utf8").trim().split("\n");
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    { step: 0, seconds: 0, loss: 3 },
    { step: 1, seconds: 1, loss: 2 },
  ]);
});

test("after a resume the repeated steps count once, and a cut-off last line is dropped", async () => {
  const directory = mkdtempSync(join(tmpdir(), "vlmr1-run-"));
  const sink = runFolderSink(directory);
  for (const event of [step(0, 3), step(1, 9), step(1, 2)]) await sink.write(event);
  appendFileSync(join(directory, "events.jsonl"), '{"kind":"step","st');
  expect(readRun(directory)).toEqual([step(0, 3), step(1, 2)]);
});

test("says which folder is no run and which line is damaged", () => {
  const directory = mkdtempSync(join(tmpdir(), "vlmr1-run-"));
  expect(() => readRun(directory)).toThrow("is not the folder of a run");
  writeFileSync(join(directory, "events.jsonl"), '{"kind":"notice"}\n{broken\n{"kind":"notice"}\n');
  expect(() => readRun(directory)).toThrow("line 2 is not JSON");
});
