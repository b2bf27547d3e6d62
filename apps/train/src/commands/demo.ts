import { relative } from "node:path";
import { VlmR1Error } from "@vlmr1/core";
import { newFolder } from "../config/resolve.ts";
import { runDemo } from "../nano/demo.ts";
import { commandLine, programName } from "../program.ts";
import { openSinks } from "../run/sinks.ts";
import { duration, listenForInterruption, type Terminal } from "../terminal.ts";
import type { BuildCommand } from "./index.ts";
import { numberOption } from "./options.ts";

interface Options {
  readonly seed: number;
  readonly steps?: number;
  readonly seconds: number;
  readonly out?: string;
  readonly fromScratch?: boolean;
  readonly live?: boolean;
  readonly port: number;
  readonly threads?: number;
}

/** `vlmr1 demo`: a vision-language model learns to point, from rules alone, in minutes. */
export const buildDemo: BuildCommand = (command, terminal) => {
  command
    .option("--seed <s>", "another seed, other scenes", numberOption, 0)
    .option("--steps <n>", "steps of reinforcement learning (default: as many as fit)", numberOption)
    .option("--seconds <n>", "time for them", numberOption, 160)
    .option("--out <dir>", "folder of the run (default: a new one under runs/)")
    .option("--from-scratch", "make the warm start too, from random weights")
    .option("--live", "serve a page that follows the run")
    .option("--port <n>", "port of that page (default: any free one)", numberOption, 0)
    .option("--threads <n>", "threads inside one operation", numberOption)
    .action((options: Options) => demo(options, terminal()));
};

async function demo(options: Options, terminal: Terminal): Promise<void> {
  const begun = performance.now();
  const { say } = terminal;
  const directory = options.out ?? newFolder("demo");
  const sinks = await openSinks({
    directory,
    terminal,
    ...(options.live && { live: { port: options.port } }),
  });
  const interruption = listenForInterruption(say);
  const { seed, steps, seconds, threads, fromScratch = false } = options;
  const chosen = [
    ...(steps === undefined ? [] : ["--steps", `${steps}`]),
    ...(fromScratch ? ["--from-scratch"] : []),
  ];
  const command = commandLine(["demo", "--seed", `${seed}`, ...chosen]);
  try {
    const outcome = await runDemo({
      seed,
      seconds,
      directory,
      fromScratch,
      say,
      command,
      sinks,
      signal: interruption.signal,
      ...(steps !== undefined && { steps }),
      ...(threads !== undefined && { threads }),
    });
    const numbers = (report: typeof outcome.before): Record<string, number> =>
      Object.fromEntries(
        Object.entries(report?.totals ?? {}).map(([name, { mean }]) => [
          name === "mean IoU" ? "meanIou" : name,
          mean,
        ]),
      );
    const total = (performance.now() - begun) / 1000;
    terminal.result(
      {
        before: numbers(outcome.before),
        after: numbers(outcome.after),
        steps: outcome.summary.step,
        seconds: total,
        report: outcome.report,
      },
      farewell(outcome.report, outcome.model, total),
    );
    if (outcome.summary.ending === "aborted")
      throw new VlmR1Error(
        "aborted",
        `Interrupted. What was learned is in ${outcome.model}; start again with ${command}.`,
      );
  } finally {
    interruption.dispose();
    for (const sink of sinks) await sink.close();
  }
}

function farewell(report: string, model: string, seconds: number): string {
  return `
Done in ${duration(seconds)}. The report, one file with curves and pictures:  ${relative(".", report)}

Try next
  ${programName} demo --seed 1 --live       other scenes, and a page that follows along
  ${programName} demo --from-scratch     the warm start too, from random weights
  ${programName} audit --reward map      what cheats would earn under a reward
  ${programName} generate --model ${relative(".", model)} --messages question.json

A real model, once its folder and RefCOCO are on your disk
  ${programName} grpo --model ./Qwen2.5-VL-3B-Instruct --dataset refcoco --data ./refer/data \\
    --split train --held-out val --reward iou,format --train lora
`;
}
