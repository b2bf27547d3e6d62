import type { EvaluationReport, EvaluationRow } from "./evaluate.ts";
import type { MeanInterval } from "./statistics.ts";

/** What the Markdown report shows besides the numbers. */
export interface MarkdownOptions {
  /** Heading. Default "Evaluation". */
  readonly title?: string;
  /** How many of the samples with the lowest first metric to list. Default 10. */
  readonly worst?: number;
}

/** The whole report as JSON, rows included, ending in a newline. */
export function reportToJson(report: EvaluationReport): string {
  return `${JSON.stringify(report, null, 2)}\n`;
}

/** The report for people: totals with their intervals, a table by group, and the samples that went worst. */
export function reportToMarkdown(
  report: EvaluationReport,
  { title = "Evaluation", worst = 10 }: MarkdownOptions = {},
): string {
  const names = Object.keys(report.totals);
  const interval = `${Number((report.level * 100).toFixed(2))} % interval`;
  const sections = [
    `# ${plain(title)}`,
    `${report.samples} samples. Intervals are percentile bootstrap over samples.${leftOutText(report)}`,
    table(
      ["metric", "mean", interval],
      names.flatMap((name) => {
        const { completions, totals, passAt } = report;
        const title = completions > 1 ? `${plain(name)} mean@${completions}` : plain(name);
        const passed = (passAt[name] ?? []).map((at) => [`${plain(name)} pass@${at.k}`, ...meanCells(at)]);
        return [[title, ...meanCells(totals[name] as MeanInterval)], ...passed];
      }),
    ),
  ];
  if (report.groups.length > 0) {
    sections.push(
      "## By group",
      table(
        ["group", "samples", ...names.map(plain)],
        report.groups.map(({ group, samples, totals }) => [
          plain(group),
          String(samples),
          ...names.map((name) => meanCells(totals[name] as MeanInterval).join(" ")),
        ]),
      ),
    );
  }
  const first = names[0];
  if (first !== undefined && worst > 0) {
    const rows = [...report.rows]
      .sort((a, b) => (a.scores[first] as number) - (b.scores[first] as number))
      .slice(0, worst);
    sections.push(
      `## Lowest ${plain(first)}`,
      table(
        ["sample", ...names.map(plain), "prompt", "completion"],
        rows.map((row) => rowCells(row, names)),
      ),
    );
  }
  return `${sections.join("\n\n")}\n`;
}

/** How many samples of a report are named one by one as left out. */
const namedLeftOut = 20;

function leftOutText({ leftOut }: EvaluationReport): string {
  if (leftOut.length === 0) return "";
  const named = leftOut
    .slice(0, namedLeftOut)
    .map(
      ({ index, id, problem }) => `- ${index}${id === undefined ? "" : ` (${plain(id)})`}: ${plain(problem)}`,
    );
  const more = leftOut.length > namedLeftOut ? [`- and ${leftOut.length - namedLeftOut} more`] : [];
  return ` ${leftOut.length} bad samples are left out of every number:\n\n${[...named, ...more].join("\n")}`;
}

function rowCells(row: EvaluationRow, names: readonly string[]): string[] {
  const text = row.completions[0]?.text ?? "";
  return [
    plain(row.id),
    ...names.map((name) => digits(row.scores[name] as number)),
    plain(row.prompt),
    plain(text),
  ];
}

function meanCells({ mean, low, high }: MeanInterval): [mean: string, interval: string] {
  return [digits(mean), `[${digits(low)}, ${digits(high)}]`];
}

function digits(value: number): string {
  return value.toFixed(4);
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}

const maxCell = 160;

/** Text that cannot break out of a table cell: what a model wrote is data. */
function plain(text: string): string {
  const short = text.length > maxCell ? `${text.slice(0, maxCell - 3)}...` : text;
  return short
    .replaceAll(/\s+/gu, " ")
    .replaceAll("\\", "\\\\")
    .replaceAll("|", "\\|")
    .replaceAll("`", "\\`")
    .replaceAll("<", "&lt;")
    .trim();
}
