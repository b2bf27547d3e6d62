import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import { readFences } from "./fences.ts";

// Every ```ts fence of the README files and of docs/ is a program: it type-checks, and it runs. See fences.ts.

const root = fileURLToPath(new URL("../../../", import.meta.url));
const folder = fileURLToPath(new URL("../.fences/", import.meta.url));

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const fences = readFences().map((fence) => {
  const path = join(folder, `${fence.file}.ts`);
  writeFileSync(path, fence.code);
  return { ...fence, path };
});

test("there are examples to check", () => {
  expect(fences.length).toBeGreaterThan(0);
});

test("every example type-checks under the project's own settings", { timeout: 120_000 }, () => {
  const { config } = ts.readConfigFile(join(root, "tsconfig.base.json"), (path) => ts.sys.readFile(path)) as {
    config: { compilerOptions: unknown };
  };
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  const program = ts.createProgram({
    rootNames: fences.map(({ path }) => path),
    options: { ...options, lib: ["lib.es2023.d.ts"], typeRoots: [join(root, "node_modules/@types")] },
  });
  const problems = ts.getPreEmitDiagnostics(program).map((diagnostic) => {
    const file = diagnostic.file ? basename(diagnostic.file.fileName) : "";
    const line = diagnostic.file?.getLineAndCharacterOfPosition(diagnostic.start ?? 0).line ?? 0;
    return `${file}:${line + 1} ${ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n")}`;
  });
  expect(problems).toEqual([]);
});

describe("every example runs", () => {
  test.each(fences.filter(({ runs }) => runs))("$name", { timeout: 60_000 }, async ({ path }) => {
    await import(path);
  });
});
