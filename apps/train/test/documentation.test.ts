import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Command } from "commander";
import { describe, expect, test } from "vitest";
import { commands } from "../src/commands/index.ts";

// Every command line that the documentation shows exists: the command, its parts and each of its flags, as the program's own help has them.

const root = resolve(import.meta.dirname, "../../..");
const global = ["--json", "--quiet", "--verbose", "--version", "--help", "--help-all"];
const scripts = (JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: object }).scripts;

const built = new Map<string, Command>();
for (const { name, load } of commands) {
  const command = new Command(name);
  (await load())(command, () => expect.fail("nothing runs here"));
  built.set(name, command);
}

const pages = [
  "README.md",
  "CONTRIBUTING.md",
  ...inFolder("docs"),
  ...inFolder("docs/decisions"),
  ...["packages", "apps"].flatMap((group) =>
    readdirSync(join(root, group)).map((name) => `${group}/${name}/README.md`),
  ),
  ...inFolder("apps/site/pages"),
].filter((page) => existsSync(join(root, page)));

const lines = pages.flatMap((page) =>
  [...readFileSync(join(root, page), "utf8").matchAll(/^```(?:sh|bash|console)\n([^]*?)^```$/gm)].flatMap(
    ([, text = ""]) =>
      text
        .replaceAll(/\\\n\s*/g, " ")
        .split("\n")
        .map((line) => ({ page, line: line.replace(/(^|\s)#.*$/, "").trim() }))
        .filter(({ line }) => line !== ""),
  ),
);

test("the documentation shows command lines", () => {
  expect(lines.filter(({ line }) => line.includes("vlmr1")).length).toBeGreaterThan(10);
});

describe.each(lines.filter(({ line }) => /vlmr1(?: --)? |^npm (?:run|test)/.test(line)))(
  "$page: $line",
  ({ line }) => {
    test("exists", () => {
      for (const part of line.split(/\s*(?:&&|\||;)\s*/)) {
        const script = /^npm run (?:--silent )?([\w:-]+)/.exec(part)?.[1];
        if (script !== undefined) expect(Object.keys(scripts)).toContain(script);
        const words = /(?:^|\s)(?:npm run (?:--silent )?vlmr1 -- |npx vlmr1 |vlmr1 )(.+)$/
          .exec(part)?.[1]
          ?.split(/\s+/);
        if (words) checkCommand(words);
      }
    });
  },
);

function checkCommand(words: readonly string[]): void {
  let command = built.get(words[0]!);
  if (!command && (words[0]!.startsWith("--") || words[0] === "help")) return;
  expect(command, `vlmr1 ${words[0]}`).toBeDefined();
  let at = 1;
  for (; at < words.length; at++) {
    const part = command!.commands.find(({ _name }: Command & { _name?: string }) => _name === words[at]);
    if (!part) break;
    command = part;
  }
  expect(command!.commands.length, `vlmr1 ${words.slice(0, at).join(" ")} needs one of its parts`).toBe(0);
  const known = [...global, ...command!.options.flatMap(({ long, short }) => [long, short])];
  for (const word of words.slice(at)) {
    const flag = /^--?[a-zA-Z][\w-]*/.exec(word)?.[0];
    if (flag !== undefined) expect(known, `vlmr1 ${words.slice(0, at).join(" ")}`).toContain(flag);
  }
}

function inFolder(folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `${folder}/${name}`);
}
