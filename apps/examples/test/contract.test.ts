import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { expect, test } from "vitest";

// An optional field that is added to a batch type compiles everywhere, and is silently ignored by whoever does not read it. So the sides
// of the contract take batches apart to the last field (`satisfies NothingUnread`). Here a field is added, and the compiler must object.

const root = fileURLToPath(new URL("../../../", import.meta.url));
const contract = join(root, "packages/policy/src/policy.ts");
const sides = [
  "packages/grpo/src/update.ts",
  "packages/model/src/train/passes.ts",
  "packages/model/src/train/layout.ts",
  "packages/model/src/train/update.ts",
  "packages/policy/src/testing/table-policy.ts",
];

test("optional fields of batches and groups that nobody reads do not compile", { timeout: 120_000 }, () => {
  const fields = [
    ["export interface TrainingBatch {", "readonly added?: readonly number[];"],
    ["export interface TrainingGroup extends CompletionGroup {", "readonly added?: readonly number[];"],
  ] as const;
  const files = problems(fields);
  expect(files.toSorted()).toEqual([
    "layout.ts",
    "passes.ts",
    "table-policy.ts",
    "table-policy.ts",
    "update.ts",
  ]);
  expect(problems([])).toEqual([]);
});

/** Files that do not compile once a line is put behind each of these lines of the contract; one for each problem. */
function problems(added: readonly (readonly [after: string, line: string])[]): string[] {
  let changed = readFileSync(contract, "utf8");
  for (const [after, line] of added) {
    if (!changed.includes(after)) throw new Error(`${contract} has no line ${after}`);
    changed = changed.replace(after, `${after}\n  ${line}`);
  }
  const { config } = ts.readConfigFile(join(root, "tsconfig.base.json"), (path) => ts.sys.readFile(path)) as {
    config: { compilerOptions: unknown };
  };
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  const settings = { ...options, lib: ["lib.es2023.d.ts"], typeRoots: [join(root, "node_modules/@types")] };
  const host = ts.createCompilerHost(settings);
  const read = host.getSourceFile.bind(host);
  host.getSourceFile = (path, ...others) =>
    path === contract ? ts.createSourceFile(path, changed, ts.ScriptTarget.ES2023) : read(path, ...others);
  const program = ts.createProgram({
    rootNames: sides.map((path) => join(root, path)),
    options: settings,
    host,
  });
  const found = sides.flatMap((path) =>
    program.getSemanticDiagnostics(program.getSourceFile(join(root, path))),
  );
  return found.map(({ file }) => basename(file?.fileName ?? ""));
}
