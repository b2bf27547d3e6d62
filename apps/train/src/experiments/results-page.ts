import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

const heading = `# Results

Each part of this page is written by the command above its table. Numbers are whatever came out; intervals are 95 % bootstrap
intervals over all samples of all seeds.
`;

/** One experiment on the page. */
export interface ResultSection {
  readonly name: string;
  readonly title: string;
  readonly question: string;
  readonly command: string;
  /** How large the run was, and on what. */
  readonly setting: string;
  readonly tables: string;
}

/** Puts an experiment into the page of results, in place of its earlier numbers; other sections stay as they are. */
export function writeResults(path: string, section: ResultSection): void {
  const page = existsSync(path) ? readFileSync(path, "utf8") : heading;
  const [begin, end] = [`<!-- ${section.name} -->`, `<!-- end of ${section.name} -->`];
  const text = [
    begin,
    `## ${section.title}`,
    section.question,
    `\`\`\`sh\n${section.command}\n\`\`\``,
    section.setting,
    section.tables,
    end,
  ].join("\n\n");
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  const next =
    from >= 0 && to > from
      ? page.slice(0, from) + text + page.slice(to + end.length)
      : `${page.trimEnd()}\n\n${text}\n`;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, next);
}
