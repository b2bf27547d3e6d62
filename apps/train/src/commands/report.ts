import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AddCommand } from "../command-line.ts";

/** `vlmr1 report DIR`: draws the report of a run again, also of one that is still running or was cut off. */
export const addReport: AddCommand = (program, terminal) => {
  program
    .command("report")
    .description("write the report of a run: one HTML file with curves, pictures and answers")
    .argument("<run>", "folder of the run")
    .option("--out <file>", "where to write it (default: report.html in the folder of the run)")
    .action(async (run: string, options: { out?: string }) => {
      const { readRun } = await import("../run/run-folder.ts");
      const { reportPage } = await import("../page/report-page.ts");
      const path = options.out ?? join(run, "report.html");
      writeFileSync(path, reportPage(readRun(run)));
      terminal().result({ report: path }, `The report is in ${path}`);
    });
};
