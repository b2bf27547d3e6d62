import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, test } from "vitest";

// Every ```ts fence of the README files and of docs/ is a program: it type-checks, and it runs.
// A fence marked ```ts check-only needs something that a test machine lacks (a checkpoint, a GPU): it only type-checks.

const root = fileURLToPath(new URL("../../../", import.meta.url));
const folder = fileURLToPath(new URL("../.fences/", import.meta.url));

interface Fence {
  readonly name: string;
  readonly path: string;
  readonly runs: boolean;
}

const fences = writeFences();

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

function writeFences(): Fence[] {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const readmes = ["packages", "apps"].flatMap((group) =>
    readdirSync(join(root, group)).map((name) => `${group}/${name}/README.md`),
  );
  const docs = readdirSync(join(root, "docs")).map((name) => `docs/${name}`);
  const pages = ["README.md", ...docs, ...readmes].filter(
    (page) => page.endsWith(".md") && existsSync(join(root, page)),
  );
  return pages.toSorted().flatMap((page) => {
    const text = readFileSync(join(root, page), "utf8");
    return [...text.matchAll(/^```ts( check-only)?\n([^]*?)^```$/gm)].map(([, checkOnly, code], index) => {
      const path = join(folder, `${page.replaceAll(/[/.]/g, "-")}-${index + 1}.ts`);
      writeFileSync(path, `${code}\nexport {};\n`);
      return { name: `${page}, example ${index + 1}`, path, runs: checkOnly === undefined };
    });
  });
}
