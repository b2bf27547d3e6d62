import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** A program that the documentation shows. */
export interface Fence {
  /** Page and number, for people. */
  readonly name: string;
  /** Page and number as the name of a file, without its ending. */
  readonly file: string;
  readonly page: string;
  readonly code: string;
  /** False for a fence marked `ts check-only`: it needs something that a test machine lacks (a checkpoint, a GPU). */
  readonly runs: boolean;
}

/** The Markdown pages that people read: README files and docs/. */
export function documentationPages(): { readonly page: string; readonly text: string }[] {
  const readmes = ["packages", "apps"].flatMap((group) =>
    readdirSync(join(root, group)).map((name) => `${group}/${name}/README.md`),
  );
  const docs = readdirSync(join(root, "docs")).map((name) => `docs/${name}`);
  return ["README.md", ...docs, ...readmes]
    .filter((page) => page.endsWith(".md") && existsSync(join(root, page)))
    .toSorted()
    .map((page) => ({ page, text: readFileSync(join(root, page), "utf8") }));
}

/** Every ```ts fence of those pages. */
export function readFences(): Fence[] {
  return documentationPages().flatMap(({ page, text }) =>
    [...text.matchAll(/^```ts( check-only)?\n([^]*?)^```$/gm)].map(([, checkOnly, code], index) => ({
      name: `${page}, example ${index + 1}`,
      file: `${page.replaceAll(/[/.]/g, "-")}-${index + 1}`,
      page,
      code: `${code}\nexport {};\n`,
      runs: checkOnly === undefined,
    })),
  );
}
