import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRng } from "@vlmr1/core";
import { openEngine } from "@vlmr1/engine";
import { createModel, nano } from "@vlmr1/model";
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

test("an experiment starts from any model: rewards read its frame, and nano's multipliers stay with nano", async () => {
  const folder = mkdtempSync(join(tmpdir(), "vlmr1-other-"));
  const engine = await openEngine();
  const narrow = structuredClone(nano()) as {
    config: { text_config: { hidden_size: number }; vision_config: { out_hidden_size: number } };
  };
  narrow.config.text_config.hidden_size = 64;
  narrow.config.vision_config.out_hidden_size = 64;
  const model = await createModel(narrow as unknown as ReturnType<typeof nano>, {
    engine,
    rng: createRng(1),
  });
  await model.save(folder);
  await engine.dispose();
  const { json, errors } = await run("experiment", "sft-vs-rl", ...tiny, "--model", folder);
  expect(errors).toContain("GRPO");
  expect(json).toMatchObject({
    scores: { GRPO: { "in-domain": [[expect.any(Number), expect.any(Number)]] } },
  });
}, 120_000);
