import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { run } from "./run.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** Answers the questions of `vlmr1 init` in a process of its own. */
function init(out: string, answers: readonly string[]): Promise<{ code: number | null; text: string }> {
  const child = spawn(process.execPath, [
    "--conditions=@vlmr1/source",
    "--import",
    "tsx",
    main,
    "init",
    "--out",
    out,
  ]);
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
  child.stdin.end(answers.map((answer) => `${answer}\n`).join(""));
  return new Promise((resolve) => child.on("exit", (code) => resolve({ code, text })));
}

test("five questions become a file that grpo takes; what cannot be used is asked again", async () => {
  const out = join(mkdtempSync(join(tmpdir(), "vlmr1-init-")), "run.yaml");
  const { code, text } = await init(out, [
    "",
    "scens",
    "scenes",
    "iou-at-least:0.3..0.7@50, 0.2*format",
    "",
    "40",
  ]);
  expect([code, text]).toEqual([
    0,
    expect.stringContaining("There is no format scens. Did you mean scenes?"),
  ]);
  expect(text).toContain("4  What is trained?");
  expect(readFileSync(out, "utf8")).toContain("- iou-at-least:0.3..0.7@50\n");
  const { json } = await run("grpo", "--config", out, "--dry-run", "--json");
  expect(json).toMatchObject({ plan: { steps: 40 }, config: { train: "language", grpo: { steps: 40 } } });
  expect((await init(out, [])).text).toContain("exists: remove it, or choose another file with --out");
}, 60_000);

test("nothing is written when the answers stop, or name a rule that the data cannot feed", async () => {
  const out = join(mkdtempSync(join(tmpdir(), "vlmr1-init-")), "run.yaml");
  expect((await init(out, ["", ""])).text).toContain("The questions were not answered");
  expect((await init(out, ["", "", "map", "", ""])).text).toContain("The reward map compares with objects");
  expect(existsSync(out)).toBe(false);
}, 60_000);

test("the tab key completes commands, options, values and files in bash, and fish has every option", async () => {
  const { json } = await run("completion", "bash", "--json");
  const folder = mkdtempSync(join(tmpdir(), "vlmr1-completion-"));
  const file = join(folder, "completion.sh");
  writeFileSync(file, (json as { script: string }).script);
  writeFileSync(join(folder, "data.json"), "");
  const complete = (...words: readonly string[]): string[] => {
    const typed = ["vlmr1", ...words].map((word) => `'${word}'`).join(" ");
    const script = `source ${file}; COMP_WORDS=(${typed}); COMP_CWORD=${words.length}; _vlmr1; echo "\${COMPREPLY[@]}"`;
    return execFileSync("bash", ["-c", script], { cwd: folder, encoding: "utf8" }).trim().split(" ");
  };
  expect(complete("gr")).toEqual(["grpo"]);
  expect(complete("eval", "")).toEqual(["model", "coco", "--help"]);
  expect(complete("grpo", "--loss", "")).toContain("dapo");
  expect(complete("grpo", "--seed", "1", "--promp")).toEqual(
    expect.arrayContaining(["--prompts-per-step", "--prompt-order"]),
  );
  expect(complete("grpo", "--data", "da")).toEqual(["data.json"]);
  const fish = ((await run("completion", "fish", "--json")).json as { script: string }).script;
  expect(fish).toContain("-l group-size -r -d");
  expect(fish).toMatch(/-l loss -x -a '[^']*dapo/);
});
