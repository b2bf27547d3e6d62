import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runDemo, type DemoOptions } from "../../src/nano/demo.ts";
import { readRun, runFolderSink } from "../../src/run/folder.ts";

function options(directory: string): DemoOptions {
  return {
    seed: 1,
    steps: 3,
    seconds: 1,
    directory,
    fromScratch: true,
    sizes: { train: 48, heldOut: 16 },
    warmSteps: { vision: 2, answers: 2 },
    signal: new AbortController().signal,
    sinks: [runFolderSink(directory)],
    command: "vlmr1 demo --seed 1",
    say: () => undefined,
  };
}

const folder = (): string => mkdtempSync(join(tmpdir(), "vlmr1-demo-"));

test(
  "goes the whole way in small: warm start, evaluation, steps, evaluation, checkpoint, report",
  { timeout: 240_000 },
  async () => {
    const directory = folder();
    const outcome = await runDemo(options(directory));
    expect(outcome.summary).toMatchObject({ ending: "finished", step: 3 });
    for (const report of [outcome.before, outcome.after]) {
      expect(report?.samples).toBe(16);
      expect(Object.keys(report?.totals ?? {})).toEqual(["accuracy", "mean IoU"]);
    }
    for (const file of [
      "warm-start/model.safetensors",
      "model/model.safetensors",
      "model/config.json",
      "data/refcoco/refs(unc).p",
    ])
      expect(existsSync(join(directory, file)), file).toBe(true);
    const kinds = readRun(directory)
      .map(({ kind }) => kind)
      .filter((kind) => kind !== "notice");
    expect(kinds).toEqual([
      "audit",
      "start",
      "evaluation",
      "step",
      "rollout",
      "step",
      "step",
      "rollout",
      "evaluation",
      "end",
    ]);
    const page = readFileSync(outcome.report, "utf8");
    expect(page).toContain("nano learns to point");
    expect(page).toContain("data:image/png;base64,");
  },
);

test("an interrupted demo keeps what it learned and says so", { timeout: 240_000 }, async () => {
  const directory = folder();
  const controller = new AbortController();
  const sink = runFolderSink(directory);
  const outcome = await runDemo({
    ...options(directory),
    steps: 50,
    signal: controller.signal,
    sinks: [{ ...sink, write: (event) => (event.kind === "step" && controller.abort(), sink.write(event)) }],
  });
  expect(outcome.summary).toMatchObject({ ending: "aborted", step: 1 });
  expect(outcome.after).toBeUndefined();
  expect(existsSync(join(directory, "model/model.safetensors"))).toBe(true);
  expect(readRun(directory).at(-1)).toMatchObject({ kind: "end", outcome: "interrupted" });
});
