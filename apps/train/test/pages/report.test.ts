import { expect, test } from "vitest";
import { lineChart, niceTicks, smooth } from "../../src/pages/figures.ts";
import { html } from "../../src/pages/html.ts";
import { reportPage } from "../../src/pages/report.ts";
import { duration } from "../../src/terminal.ts";
import type { Estimate, EvaluationExample, RunEvent } from "../../src/run/events.ts";

const estimate = (value: number): Estimate => ({ value, low: value - 0.02, high: value + 0.02, count: 500 });
const example = (total: number, text: string): EvaluationExample => ({
  id: "scene-1",
  prompt: "the <b>red</b> key",
  picture: { url: "data:image/png;base64,AAAA", width: 64, height: 64 },
  truth: [1, 2, 3, 4],
  answers: [{ text, total, scores: { iou: total }, box: [10, 20, 30, 40] }],
});
const evaluation = (step: number, value: number, text: string): RunEvent => ({
  kind: "evaluation",
  step,
  name: step === 0 ? "before" : "after",
  metrics: { accuracy: estimate(value) },
  groups: { ordinal: { accuracy: estimate(value) } },
  examples: [example(value, text)],
});
const run: RunEvent[] = [
  {
    kind: "start",
    title: "Demo",
    command: "vlmr1 demo --seed 1",
    steps: 2,
    config: { seed: 1 },
    facts: { Model: "nano" },
  },
  evaluation(0, 0.5, "worse"),
  { kind: "step", step: 0, steps: 2, seconds: 1, metrics: { "reward/mean": 0.4, "policy/kl": 0 } },
  { kind: "step", step: 1, steps: 2, seconds: 2, metrics: { "reward/mean": 0.6, "policy/kl": 0.01 } },
  { kind: "answers", step: 1, groups: [example(0.6, "box")] },
  evaluation(2, 0.62, "<script>alert(1)</script>"),
  { kind: "notice", step: 1, level: "warning", text: "KL is high" },
  { kind: "audit", rows: [{ exploit: "whole image", earns: 0.2, wins: false }] },
  { kind: "end", step: 2, seconds: 125, outcome: "done" },
];

test("tells outcome, gain, groups, curves, pictures, audit, warnings and how to reproduce", () => {
  const page = reportPage(run);
  for (const text of [
    "finished after 2 steps and 2 min 5 s",
    "62.0 % ± 2.0",
    "+12.0",
    "ordinal",
    "Mean reward",
    "score 0.50 → 0.62",
    "whole image",
    "Step 1: KL is high",
    "vlmr1 demo --seed 1",
  ])
    expect(page).toContain(text);
});

test("is one file: no script, no request, and what models and datasets wrote is escaped", () => {
  const page = reportPage(run);
  expect(page).not.toMatch(/<script|<link(?! rel="icon" href="data:,")|src="|https?:\/\//);
  expect(page).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
  expect(page).toContain("the &lt;b&gt;red&lt;/b&gt; key");
});

test("draws an unfinished run and an empty one", () => {
  expect(reportPage(run.slice(0, 3))).toContain("Still running");
  expect(reportPage([])).toContain("Training run");
});

test("charts choose round ticks that enclose the data", () => {
  expect(niceTicks(0, 1)).toEqual([0, 0.25, 0.5, 0.75, 1]);
  expect(niceTicks(-0.013, 0.021)).toEqual([-0.02, -0.01, 0, 0.01, 0.02, 0.03]);
  expect(niceTicks(5, 5).length).toBeGreaterThan(1);
  expect(lineChart("Loss", [{ name: "loss", color: "red", points: [[0, Number.NaN]] }])).toEqual(html``);
});

test("smoothing starts at the first value and follows a constant exactly", () => {
  const constant = Array.from({ length: 100 }, (_, i) => [i, 2] as const);
  for (const [, value] of smooth(constant)) expect(value).toBeCloseTo(2, 12);
  expect(smooth([[0, 7]])).toEqual([[0, 7]]);
});

test("durations read like a person would say them", () => {
  expect([0, 59.4, 61, 3600, 7800].map(duration)).toEqual([
    "0 s",
    "59 s",
    "1 min 1 s",
    "1 h 0 min",
    "2 h 10 min",
  ]);
});
