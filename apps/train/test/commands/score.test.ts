import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { run } from "./run.ts";

const folder = mkdtempSync(join(tmpdir(), "vlmr1-score-"));
const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const answer = (box: string): string => `<think> a </think> <answer> {"bbox_2d": ${box}} </answer>`;
const lines = file(
  "lines.jsonl",
  [
    { completion: answer("[0, 0, 10, 10]"), target: { box: [0, 0, 10, 5] } },
    { completion: answer("[0, 0, 500, 1000]"), target: [0, 0, 20, 10], image: { width: 20, height: 10 } },
    { completion: "no idea", target: [0, 0, 10, 5] },
  ]
    .map((line) => JSON.stringify(line))
    .join("\n"),
);

test("scores lines with one reward; the last line of standard output is the JSON", async () => {
  const result = await run("score", "--reward", "iou", "--data", lines, "--json");
  expect(result).toMatchObject({ code: 0, errors: "" });
  expect(result.json).toEqual({ scores: [0.5, 0.0004, 0] });
});

test("reads boxes in the frame that is named", async () => {
  const thousandths = file(
    "thousand.jsonl",
    JSON.stringify({
      completion: answer("[0, 0, 500, 1000]"),
      target: [0, 0, 20, 10],
      image: { width: 20, height: 10 },
    }),
  );
  const result = await run(
    "score",
    "--reward",
    "iou",
    "--data",
    thousandths,
    "--frame",
    "thousand",
    "--json",
  );
  expect(result.json).toEqual({ scores: [0.5] });
});

test("adds weighted rewards up, published rules and outside modules among them", async () => {
  const mine = file("mine.mjs", "export const half = () => 0.5;\nexport const notAFunction = 3;\n");
  const result = await run(
    "score",
    "--reward",
    "iou",
    "--reward",
    `0.5*format,2*${mine}#half`,
    "--data",
    lines,
    "--json",
  );
  expect(result.json).toMatchObject({
    scores: [2, 1.5004, 1],
    parts: [{ iou: 0.5, format: 1, half: 0.5 }, {}, {}],
  });
  const published = file(
    "published.jsonl",
    JSON.stringify({ completion: "<answer>Yes</answer>", target: "<answer> yes </answer>" }),
  );
  expect((await run("score", "--reward", "vlm-r1/yes-no", "--data", published, "--json")).json).toEqual({
    scores: [1],
  });
  const missing = await run("score", "--reward", `${mine}#whole`, "--data", lines, "--json");
  expect(missing.errors).toContain("exports no function whole. It exports: half");
});

test("names what is wrong: the reward, the file, the line", async () => {
  const unknown = await run("score", "--reward", "iuo", "--data", lines, "--json");
  expect(unknown.code).toBe(1);
  expect(unknown.json).toMatchObject({ error: { code: "not-found" } });
  expect(unknown.errors).toContain('There is no reward named "iuo". Did you mean iou?');
  const broken = file("broken.jsonl", `{"completion": "x", "target": 1}\n{"completion": 3}\n`);
  expect((await run("score", "--reward", "format", "--data", broken)).errors).toContain(
    "broken.jsonl, line 2",
  );
  expect((await run("score", "--reward", "format", "--data", "nowhere.jsonl")).errors).toContain(
    "Cannot read nowhere.jsonl",
  );
  expect((await run("score", "--reward", "iou", "--data", lines, "--frame", "metres")).code).toBe(2);
});

test("reads completions as TRL and VLM-R1 write them: messages, parts of messages, and a solution", async () => {
  const user = { role: "user", content: [{ type: "image" }, { type: "text", text: "Where is the cat?" }] };
  const assistant = (content: unknown) => ({ role: "assistant", content });
  const messages = file(
    "messages.jsonl",
    [
      { prompt: [user], completion: [assistant(answer("[0, 0, 10, 10]"))], target: { box: [0, 0, 10, 5] } },
      {
        completion: [user, assistant([{ type: "text", text: answer("[0, 0, 10, 10]") }])],
        target: [0, 0, 10, 5],
      },
      {
        problem: "Where?",
        completion: answer("[0, 0, 10, 10]"),
        solution: "<answer> [0, 0, 10, 5] </answer>",
      },
    ]
      .map((line) => JSON.stringify(line))
      .join("\n"),
  );
  const result = await run("score", "--reward", "iou", "--data", messages, "--json");
  expect(result.json).toEqual({ scores: [0.5, 0.5, 0.5] });
  const detection = file(
    "solution.jsonl",
    JSON.stringify({
      completion: '<answer>```json\n[{"bbox_2d": [1, 2, 30, 40], "label": "cat"}]\n```</answer>',
      solution: '<answer>```json\n[{"bbox_2d": [1, 2, 30, 40], "label": "cat"}]\n```</answer>',
    }),
  );
  const both = await run("score", "--reward", "od-length,vlm-r1/od-length", "--data", detection, "--json");
  expect(both.json).toMatchObject({ scores: [expect.closeTo(2, 9)] });
  const wrong = file("wrong.jsonl", JSON.stringify({ completion: [{ role: "assistant" }], target: 1 }));
  expect((await run("score", "--reward", "format", "--data", wrong)).errors).toContain("or messages");
});

test("the page about score and audit shows what they print", async () => {
  const page = readFileSync(new URL("../../../../docs/score-and-audit.md", import.meta.url), "utf8");
  const fence = (language: string, index = 0): string =>
    page.split(`\`\`\`${language}\n`)[index + 1]?.split("\n```")[0] ?? "";
  const data = file("page.jsonl", fence("jsonl"));
  expect(fence("sh")).toBe("vlmr1 score --reward iou,0.5*format --data lines.jsonl");
  expect((await run("score", "--reward", "iou,0.5*format", "--data", data)).out).toContain(fence("text"));
  expect(fence("sh", 1)).toBe("vlmr1 audit --reward map");
  expect((await run("audit", "--reward", "map")).out).toContain(fence("text", 1));
  expect((await run("audit", "--reward", "od-length")).out).not.toMatch(/surplus guesses .*PAYS/);
});
