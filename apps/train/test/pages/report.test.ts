import { expect, test } from "vitest";
import { lineChart, niceTicks, smooth } from "../../src/pages/figures.ts";
import { html } from "../../src/pages/html.ts";
import { reportPage } from "../../src/pages/report.ts";
import { completionsPage } from "../../src/pages/completions.ts";
import { duration } from "../../src/terminal.ts";
import type { Estimate, RecordedPrompt, RunEvent } from "../../src/run/events.ts";
import { exampleRun } from "../example-run.ts";

const estimate = (value: number): Estimate => ({ value, low: value - 0.02, high: value + 0.02, count: 500 });
const example = (total: number, text: string): RecordedPrompt => ({
  id: "scene-1",
  prompt: "the <b>red</b> key",
  picture: { url: "data:image/png;base64,AAAA", width: 64, height: 64 },
  truth: [[1, 2, 3, 4]],
  completions: [
    {
      text,
      total,
      rewards: { iou: total },
      boxes: [
        [10, 20, 30, 40],
        [1, 1, 5, 5],
      ],
    },
  ],
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
  { kind: "rollout", step: 1, prompts: [example(0.6, "box")] },
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
    "0.50 → 0.62",
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

test("shows what was written before and after, every box of it, and the rule that each completion followed", () => {
  const page = reportPage(run);
  expect(page).toContain("<code>worse</code>");
  expect(page).toContain("<code>&lt;script&gt;alert(1)&lt;/script&gt;</code>");
  const figure = page.slice(page.indexOf("Before and after"), page.indexOf("Curves"));
  expect(figure.match(/class="box"/g)).toHaveLength(5); // two before, two after, the true one
  expect(page).toContain('aria-label="the &lt;b&gt;red&lt;/b&gt; key: reward 0.50 before, 0.62 after"');
  expect(page).toContain("iou 0.60");
});

test("compares as many losses as there are: pictures at equal distances from the largest gain to the largest loss", () => {
  const examples = (totals: readonly number[]) =>
    totals.map((total, i) => ({ ...example(total, "x"), id: `${i}` }));
  const after = Array.from({ length: 24 }, (_, i) => (i < 18 ? 1 : 0)); // three of four gain
  const pair: RunEvent[] = [
    { ...evaluation(0, 0.5, ""), examples: examples(after.map(() => 0.5)) } as RunEvent,
    { ...evaluation(2, 0.6, ""), examples: examples(after) } as RunEvent,
  ];
  const page = reportPage(pair);
  expect(page.match(/class="good"\s*>0\.50 → 1\.00/g)).toHaveLength(9);
  expect(page.match(/class="bad"\s*>0\.50 → 0\.00/g)).toHaveLength(3);
});

test("the page of completions holds the newest first, cannot be ended by what a model wrote, and asks for nothing", () => {
  const logged = [1, 2].map((step) => ({ ...example(0.5, "</script><b>hm</b>"), step, index: 0 }));
  const page = completionsPage("Demo", logged);
  expect(page.match(/<\/script>/g)).toHaveLength(2);
  const data = /id="log">\s*(\[.*\])\s*<\/script>/s.exec(page)?.[1] as string;
  expect((JSON.parse(data) as { step: number }[]).map(({ step }) => step)).toEqual([2, 1]);
  expect(page).not.toMatch(/https?:\/\/(?!www\.w3\.org)/);
});

test("a record that looks like markup is shown, not believed", () => {
  const evil = { html: "<script>alert(1)</script>" } as unknown as string;
  const events = exampleRun.map((event) => (event.kind === "start" ? { ...event, title: evil } : event));
  expect(reportPage(events)).not.toContain("<script>alert(1)");
});
