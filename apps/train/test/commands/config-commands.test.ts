import { appendFileSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterEach, expect, test, vi } from "vitest";
import { runCommandLine } from "../../src/command-line.ts";

afterEach(() => vi.restoreAllMocks());

const folder = () => mkdtempSync(join(tmpdir(), "vlmr1-command-"));

/** Runs a command line; gives its exit code and the JSON value on the last line of standard output. */
async function run(...args: string[]): Promise<{ code: number; result: Record<string, unknown> }> {
  let out = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => ((out += String(text)), true));
  vi.spyOn(process.stderr, "write").mockImplementation(() => true);
  const code = await runCommandLine([...args, "--json"]);
  const last = out.trim().split("\n").at(-1) ?? "";
  return { code, result: last.startsWith("{") ? (JSON.parse(last) as Record<string, unknown>) : {} };
}

test("data draw writes RefCOCO, data preview shows it, data check reads it all and finds what is broken", async () => {
  const out = folder();
  const drawn = await run("data", "draw", "--length", "6", "--out", out, "--seed", "3");
  expect(drawn).toMatchObject({ code: 0, result: { images: 7 } });
  const data = ["--dataset", "refcoco", "--data", out];
  const pages = folder();
  expect((await run("data", "preview", ...data, "--count", "2", "--out", pages)).code).toBe(0);
  expect(existsSync(join(pages, "contact-sheet.png"))).toBe(true);
  expect(await run("data", "check", ...data)).toMatchObject({
    code: 0,
    result: { samples: 6, good: 6, bad: [], leftOut: [] },
  });
  writeFileSync(join(out, "images/mscoco/images/train2014/COCO_train2014_000000000003.png"), "not a picture");
  const { code, result } = await run("data", "check", ...data);
  expect([code, result["good"], result["leftOut"]]).toEqual([1, 5, []]);
  expect(result["bad"]).toEqual([
    { index: 2, problem: expect.stringContaining("COCO_train2014_000000000003.png") as string },
  ]);
});

test("eval model on detection gives one COCO AP over the set, and the files that eval coco reads", async () => {
  const out = folder();
  const args = [
    "--scenes-task",
    "detection",
    "--scenes-length",
    "4",
    "--max-new-tokens",
    "8",
    "--threads",
    "1",
  ];
  const { code, result } = await run(
    "eval",
    "model",
    ...args,
    "--completions",
    "2",
    "--temperature",
    "1",
    "--out",
    out,
  );
  expect(code).toBe(0);
  const coco = result["coco"] as Record<string, unknown>;
  expect(coco["intervals"]).toMatchObject({
    ap: { mean: expect.any(Number) as number, low: expect.any(Number) as number },
  });
  const files = ["--annotations", String(coco["annotations"]), "--results", String(coco["results"])];
  const again = await run("eval", "coco", ...files);
  const ap = (coco["intervals"] as { ap: { mean: number } }).ap.mean;
  expect((again.result["stats"] as number[])[0]).toBe(ap);
  const markdown = readFileSync(join(out, "report.md"), "utf8");
  expect(markdown).toContain("## Detection over the whole set");
  expect(markdown).toContain("ap50 mean@2");
});

/** Three questions about pictures, one of 1093 x 5 pixels and one with a token of the model's own. */
async function oddQuestions(): Promise<string> {
  const out = folder();
  const draw = (name: string, width: number, height: number): Promise<unknown> =>
    sharp({ create: { width, height, channels: 3, background: "#808080" } })
      .png()
      .toFile(join(out, name));
  await Promise.all([draw("square.png", 64, 64), draw("strip.png", 1093, 5)]);
  const row = (image: string, question: string) => ({
    image,
    conversations: [{ value: `<image>${question}` }, { value: [8, 1, 24, 4] }],
  });
  const rows = [
    row("square.png", "the red key"),
    row("strip.png", "the red key"),
    row("square.png", "the bell"),
  ];
  writeFileSync(join(out, "a.jsonl"), rows.map((each) => JSON.stringify(each)).join("\n"));
  return join(out, "a.jsonl");
}

test("data check reads with the model's own processor; runs name what it refuses, and obey --on-bad-sample", async () => {
  const file = await oddQuestions();
  const data = ["--dataset", "vlm-r1-jsonl", "--data", file, "--answer", "box", "--template", "plain"];
  expect(await run("data", "check", ...data)).toMatchObject({ code: 0, result: { good: 3 } });
  const checked = await run("data", "check", ...data, "--model", "nano", "--threads", "1");
  expect(checked).toMatchObject({ code: 1, result: { samples: 3, good: 2 } });
  expect(JSON.stringify(checked.result["bad"])).toMatch(/a\/line-2: An image of 1093x5 pixels/);
  const quick = [
    "--steps",
    "1",
    "--batch-size",
    "3",
    "--threads",
    "1",
    "--held-out-data",
    file,
    "--evaluation-metrics",
    "iou",
    "--evaluation-max-new-tokens",
    "4",
  ];
  const strict = await run("sft", ...data, ...quick, "--out", folder());
  expect(strict.code).toBe(1);
  const out = folder();
  const lenient = await run("sft", ...data, ...quick, "--on-bad-sample", "skip", "--out", out);
  expect(lenient.code).toBe(0);
  const events = readFileSync(join(out, "events.jsonl"), "utf8");
  expect(events).toContain("Held-out sample 1 is left out");
});

test("eval model measures a checkpoint and leaves JSON and Markdown", async () => {
  const out = folder();
  const args = [
    "--scenes-length",
    "3",
    "--max-new-tokens",
    "4",
    "--metrics",
    "format,iou",
    "--threads",
    "1",
    "--out",
    out,
  ];
  const { code, result } = await run("eval", "model", ...args);
  expect(code).toBe(0);
  expect(result).toMatchObject({ samples: 3, totals: { format: { mean: 0 }, "mean IoU": { mean: 0 } } });
  expect(readFileSync(join(out, "report.md"), "utf8")).toContain("nano on scenes");
});

test("several JSONL files with a rule each are one run: every row by its own rule", async () => {
  const out = folder();
  const write = (name: string, rows: readonly object[]): string => {
    writeFileSync(join(out, name), rows.map((each) => JSON.stringify(each)).join("\n"));
    return join(out, name);
  };
  const row = (question: string, answer: string) => ({
    conversations: [{ value: question }, { value: answer }],
  });
  const first = write("a.jsonl", [row("A or B?", "B")]);
  const second = write("b.jsonl", [
    row("is it?", "yes"),
    { ...row("how many?", "3"), accu_reward_method: "default" },
  ]);
  const data = [
    "--dataset",
    "vlm-r1-jsonl",
    "--data",
    `${first}:${second}`,
    "--reward-method",
    "mcq:yes_no",
    "--template",
    "plain",
  ];
  const { code, result } = await run(
    "eval",
    "model",
    ...data,
    "--metrics",
    "vlm-r1/accuracy",
    "--max-new-tokens",
    "2",
    "--threads",
    "1",
    "--out",
    folder(),
  );
  expect([code, result["samples"]]).toEqual([0, 3]);
  const wrong = await run("data", "check", ...data.slice(0, 4), "--reward-method", "mcq:yes_no:math");
  expect(wrong.code).toBe(2);
  expect(JSON.stringify(wrong.result)).toContain("--reward-method names 3 for 2 files of --data");
});

test("flags, --set and --config reach the configuration in that order; mistakes end with code 2", async () => {
  const file = join(folder(), "run.json");
  writeFileSync(file, JSON.stringify({ grpo: { steps: 7, groupSize: 4 }, rewards: ["format"] }));
  const { result } = await run(
    "grpo",
    "--dry-run",
    "--config",
    file,
    "--group-size",
    "5",
    "--set",
    "grpo.promptsPerStep=3",
  );
  expect(result["plan"]).toMatchObject({
    steps: 7,
    promptsPerStep: 3,
    completionsPerStep: 15,
    rewards: ["format"],
  });
  appendFileSync(file, "!");
  expect((await run("grpo", "--dry-run", "--config", file)).code).toBe(1);
  expect((await run("grpo", "--dry-run", "--no-such-flag", "1")).code).toBe(2);
  expect((await run("grpo", "--dry-run", "--group-size", "1")).code).toBe(2);
  expect((await run("grpo", "--dry-run", "stray")).code).toBe(2);
});
