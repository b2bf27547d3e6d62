import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { VlmR1Error } from "@vlmr1/core";
import { writePages } from "../run/folder.ts";
import type { BuildCommand } from "./index.ts";

/** `vlmr1 report DIR`: draws the report of a run again, also of one that is still running or was cut off. */
export const buildReport: BuildCommand = (command, terminal) => {
  command
    .argument("<run>", "folder of the run")
    .option("--out <file>", "where to write it (default: report.html in the folder of the run)")
    .action((run: string, { out }: { readonly out?: string }) => {
      const pages = writePages(run, out);
      const { report, completions } = pages;
      const more = completions === undefined ? "" : `\nEvery completion is in ${completions}`;
      terminal().result(pages, `The report is in ${report}${more}`);
    });
};

/** `vlmr1 bench`: the same work against Python peers, in one run. Only in a clone of the repository: it is not published. */
export const buildBench: BuildCommand = (command, terminal) => {
  command
    .argument("[names...]", "benchmarks to run (default: all)")
    .action((names: string[]) => bench(names, terminal().json));
};

async function bench(names: readonly string[], json: boolean): Promise<void> {
  const runner = fileURLToPath(new URL("../../../bench/src/main.ts", import.meta.url));
  if (!existsSync(runner)) {
    throw new VlmR1Error(
      "unavailable",
      "The benchmarks are part of the repository, not of the published package. Clone it to run them.",
    );
  }
  const args = [
    "--conditions=@vlmr1/source",
    "--import",
    "tsx",
    runner,
    ...names,
    ...(json ? ["--json"] : []),
  ];
  const child = spawn(process.execPath, args, { stdio: "inherit" });
  const code = await new Promise<number | null>((resolve) => child.on("exit", resolve));
  if (code === 2)
    throw new VlmR1Error("invalid-argument", `vlmr1 bench ${names.join(" ")} was not understood.`);
  if (code !== 0) throw new VlmR1Error("unavailable", `The benchmark ended with code ${code}.`);
}
