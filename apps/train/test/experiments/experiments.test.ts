import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { run } from "../commands/run.ts";
import { writeResults } from "../../src/experiments/experiment.ts";

const page = () => join(mkdtempSync(join(tmpdir(), "vlmr1-results-")), "results.md");
const tiny = "--seeds 1 --steps 1 --samples 2 --prompts-per-step 2 --group-size 2 --threads 1 --json".split(
  " ",
);

test("sft-vs-rl measures four arms on six splits and writes its table", async () => {
  const write = page();
  const { json: value } = await run("experiment", "sft-vs-rl", ...tiny, "--write", write);
  const text = readFileSync(write, "utf8");
  expect(text.match(/^\| (start|SFT 2e-4|SFT 1e-3|GRPO) \|/gm)).toHaveLength(4);
  expect(text).toContain("experiment sft-vs-rl --seeds 1 --steps 1 --samples 2");
  expect(value).toMatchObject({
    scores: { GRPO: { "two-hop": [[expect.any(Number), expect.any(Number)]] } },
  });
});

test("reward-hacking measures three rewards and the length of answers over time", async () => {
  const write = page();
  await run(
    "experiment",
    "reward-hacking",
    ...tiny,
    "--warm-steps",
    "1",
    "--max-new-tokens",
    "8",
    "--write",
    write,
  );
  const text = readFileSync(write, "utf8");
  for (const row of ["start", "map", "ap50", "odLength"]) expect(text).toContain(`\n| ${row} |`);
  expect(text).toContain("| reward | step 1 |");
});

test("a section replaces its earlier self and leaves the others alone", () => {
  const path = page();
  const section = (name: string, tables: string) => ({
    name,
    title: name,
    question: "?",
    command: "run",
    setting: "small",
    tables,
  });
  writeResults(path, section("one", "first"));
  writeResults(path, section("two", "other"));
  writeResults(path, section("one", "second"));
  const text = readFileSync(path, "utf8");
  expect(text).not.toContain("first");
  expect(text.indexOf("second")).toBeLessThan(text.indexOf("other"));
  expect(text.match(/^## /gm)).toHaveLength(2);
});
