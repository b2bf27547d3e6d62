import { describe, expect, test } from "vitest";
import type { EvaluationReport, EvaluationRow } from "../src/evaluate.ts";
import { reportToJson, reportToMarkdown } from "../src/report.ts";

const row = (index: number, acc: number, text: string): EvaluationRow => ({
  index,
  id: `s${index}`,
  prompt: "where | what?",
  completions: [{ text, tokens: 3, finishReason: "stop", scores: { acc } }],
  scores: { acc },
});
const report: EvaluationReport = {
  samples: 2,
  leftOut: [],
  completions: 1,
  passAt: {},
  level: 0.95,
  totals: { acc: { mean: 0.5, low: 0, high: 1 } },
  groups: [{ group: "one-hop", samples: 2, totals: { acc: { mean: 0.5, low: 0, high: 1 } } }],
  rows: [row(0, 1, "fine"), row(1, 0, "a\nb | `c` <script>")],
};

describe("reports", () => {
  test("Markdown shows totals, groups and the worst samples, and no completion can break its tables", () => {
    expect(reportToMarkdown(report, { title: "RefCOCO val", worst: 1 })).toMatchInlineSnapshot(`
      "# RefCOCO val

      2 samples. Intervals are percentile bootstrap over samples.

      | metric | mean | 95 % interval |
      | --- | --- | --- |
      | acc | 0.5000 | [0.0000, 1.0000] |

      ## By group

      | group | samples | acc |
      | --- | --- | --- |
      | one-hop | 2 | 0.5000 [0.0000, 1.0000] |

      ## Lowest acc

      | sample | acc | prompt | completion |
      | --- | --- | --- | --- |
      | s1 | 0.0000 | where \\| what? | a b \\| \\\`c\\\` &lt;script> |
      "
    `);
  });
  test("a report without groups and without samples to list is only the totals", () => {
    const text = reportToMarkdown({ ...report, groups: [] }, { worst: 0 });
    expect(text.match(/^#.*$/gmu)).toEqual(["# Evaluation"]);
  });
  test("a very long completion is cut", () => {
    const long = { ...report, rows: [row(0, 0, "x".repeat(100_000))] };
    expect(reportToMarkdown(long).length).toBeLessThan(2000);
  });
  test("JSON holds everything", () => {
    expect(JSON.parse(reportToJson(report))).toEqual(report);
  });
});
