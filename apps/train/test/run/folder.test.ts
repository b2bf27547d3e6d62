import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { EventOf, RunEvent } from "../../src/run/events.ts";
import {
  hasEvaluation,
  loggedSteps,
  readCompletions,
  readRun,
  runFolderSink,
  writePages,
} from "../../src/run/folder.ts";
import { exampleRun } from "../example-run.ts";

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

test("completions.jsonl has every prompt of a step with its picture as a file, once; a repeated step counts once", async () => {
  const directory = mkdtempSync(join(tmpdir(), "vlmr1-run-"));
  const rollout = exampleRun.find((event) => event.kind === "rollout") as EventOf<"rollout">;
  const sink = runFolderSink(directory);
  for (const step of [1, 2, 2, 3]) await sink.write({ ...rollout, step });
  const logged = readCompletions(directory);
  expect(logged.map(({ step, index }) => [step, index])).toEqual(
    [1, 2, 3].flatMap((n) => [
      [n, 0],
      [n, 1],
    ]),
  );
  expect(logged[0]?.completions).toEqual(rollout.prompts[0]?.completions);
  const [file] = readdirSync(join(directory, "pictures"));
  expect(readdirSync(join(directory, "pictures"))).toHaveLength(1);
  expect(logged.every(({ picture }) => picture?.url === `pictures/${file}`)).toBe(true);
  await sink.write(exampleRun[0]!);
  const pages = writePages(directory);
  expect(readFileSync(pages.report, "utf8")).toContain('href="completions.html"');
  expect(readFileSync(pages.completions as string, "utf8")).toContain("the red key");
});

test("completions are logged as often as asked, or never", async () => {
  const rollout = exampleRun.find((event) => event.kind === "rollout") as EventOf<"rollout">;
  const logged = async (logEvery: number): Promise<number[]> => {
    const directory = mkdtempSync(join(tmpdir(), "vlmr1-run-"));
    const sink = runFolderSink(directory, { logEvery });
    for (let step = 1; step <= 5; step++) await sink.write({ ...rollout, step });
    return existsSync(join(directory, "completions.jsonl"))
      ? readCompletions(directory).map(({ step }) => step)
      : [];
  };
  expect(await logged(2)).toEqual([1, 1, 3, 3, 5, 5]);
  expect(await logged(0)).toEqual([]);
});

test("a half-written last line is cut off when the run goes on, in every log", async () => {
  const directory = mkdtempSync(join(tmpdir(), "vlmr1-half-"));
  const step = (number: number) => ({
    kind: "step" as const,
    step: number,
    steps: 3,
    seconds: 1,
    metrics: {},
  });
  await runFolderSink(directory).write(step(1));
  for (const file of ["events.jsonl", "metrics.jsonl", "completions.jsonl"])
    appendFileSync(join(directory, file), `{"kind":"step","st${"x".repeat(100_000)}`);
  await runFolderSink(directory).write(step(2));
  expect(readRun(directory).map((event) => "step" in event && event.step)).toEqual([1, 2]);
  expect([...loggedSteps(directory)]).toEqual([1, 2]);
  expect(readFileSync(join(directory, "completions.jsonl"), "utf8")).toBe("");
  expect(hasEvaluation(directory, "before")).toBe(false);
});
