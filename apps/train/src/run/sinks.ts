import { mkdirSync } from "node:fs";
import { VlmR1Error } from "@vlmr1/core";
import { estimateText, rewardStatistics } from "../pages/sections.ts";
import { duration, type LineWriter, type Terminal } from "../terminal.ts";
import type { RunSink, RunEvent } from "./events.ts";
import { runFolderSink } from "./folder.ts";
import { liveServer } from "./live-server.ts";
import { tensorBoardSink } from "./tensorboard.ts";

/** Everybody who follows a run: the terminal, the run folder, TensorBoard, and the live page when it is asked for. */
export async function openSinks(options: {
  readonly directory: string;
  readonly terminal: Terminal;
  readonly live?: { readonly port: number };
  /** Steps between rollouts that are kept whole. */
  readonly logEvery?: number;
}): Promise<readonly RunSink[]> {
  const { directory, terminal, live, logEvery = 1 } = options;
  mkdirSync(directory, { recursive: true });
  const sinks: RunSink[] = [
    consoleSink(terminal.out),
    runFolderSink(directory, { logEvery }),
    tensorBoardSink(directory, new Date()),
  ];
  if (live) {
    const server = await liveServer(live.port);
    terminal.out.write(`Follow the run at ${server.url}\n`);
    sinks.push(server);
  }
  return sinks;
}

/** Sinks that cannot fail the run, and what became of them. */
export interface GuardedSinks {
  readonly sinks: readonly RunSink[];
  /** @throws VlmR1Error `unavailable` that names what could not be written, once the run is over. */
  close(): Promise<void>;
}

/**
 * A record that cannot be written (a full disk, a folder that is gone) must not cost what was learned: the sink is left out from then on,
 * the others hear of it, and the run goes on to its last checkpoint.
 */
export function guardedSinks(sinks: readonly RunSink[]): GuardedSinks {
  const problems: string[] = [];
  const failed = new Set<RunSink>();
  const attempt = async (sink: RunSink, work: () => void | Promise<void>, step: number): Promise<void> => {
    if (failed.has(sink)) return;
    try {
      await work();
    } catch (cause) {
      failed.add(sink);
      const reason = cause instanceof Error ? cause.message : String(cause);
      problems.push(reason);
      const text = `A record of the run cannot be written and is left out from here on: ${reason}`;
      for (const other of sinks)
        await attempt(other, () => other.write({ kind: "notice", step, level: "warning", text }), step);
    }
  };
  return {
    sinks: sinks.map((sink) => ({
      write: (event) => attempt(sink, () => sink.write(event), "step" in event ? event.step : 0),
      close: () => undefined,
    })),
    async close() {
      for (const sink of sinks) await attempt(sink, () => sink.close(), 0);
      if (problems.length === 0) return;
      throw new VlmR1Error(
        "unavailable",
        `Records of the run could not be written; its checkpoints are not among them: ${problems.join("; ")}`,
      );
    },
  };
}

/**
 * One aligned line a step. On a terminal, steps between milestones overwrite each other; in a file or a pipe, every tenth step and each
 * milestone is a line of its own.
 */
export function consoleSink(out: LineWriter): RunSink {
  let onProgressLine = false;
  const line = (text: string): void => {
    out.write(`${onProgressLine ? "\r\u001b[K" : ""}${text}\n`);
    onProgressLine = false;
  };
  return {
    write(event) {
      if (event.kind === "start") for (const text of startLines(event)) line(text);
      if (event.kind === "evaluation") line(`${event.name.padEnd(8)} ${evaluationText(event)}`);
      if (event.kind === "notice") line(`${event.level === "warning" ? "! " : ""}${event.text}`);
      if (event.kind !== "step") return;
      const milestone = event.step === 1 || event.step % 10 === 0 || event.step === event.steps;
      const text = stepLine(event);
      if (milestone) line(text);
      else if (out.isTTY) {
        out.write(`\r\u001b[K${text.slice(0, (out.columns ?? 120) - 1)}`);
        onProgressLine = true;
      }
    },
    close() {
      if (onProgressLine) out.write("\n");
      onProgressLine = false;
    },
  };
}

/** `[████████------------]  120/300  reward 0.61  iou 0.58  format 0.98  kl 0.012  len 19.4  0.12 s/step  22 s left`. */
export function stepLine(event: Extract<RunEvent, { kind: "step" }>): string {
  const done = event.step;
  const filled = Math.round((20 * done) / Math.max(1, event.steps));
  const bar = `[${"█".repeat(filled)}${"-".repeat(Math.max(0, 20 - filled))}]`;
  const width = String(event.steps).length;
  const metric = (name: string): number | undefined => event.metrics[name];
  const shown: readonly (readonly [label: string, text: string | undefined])[] = [
    ["reward", metric("reward/mean")?.toFixed(3)],
    ...Object.keys(event.metrics)
      .filter((name) => name.startsWith("reward/") && !rewardStatistics.includes(name))
      .map((name) => [name.slice(7), event.metrics[name]?.toFixed(2)] as const),
    ["kl", metric("policy/kl")?.toFixed(4)],
    ["loss", metric("reward/mean") === undefined ? metric("policy/loss")?.toFixed(3) : undefined],
    ["held-out", metric("eval/accuracy")?.toFixed(3)],
    ["length", metric("completion/length")?.toFixed(1)],
  ];
  const perStep = event.seconds / done;
  const parts = shown.flatMap(([label, text]) => (text === undefined ? [] : [`${label} ${text}`]));
  const rest = duration(perStep * (event.steps - done));
  return `${bar} ${String(done).padStart(width)}/${event.steps}  ${parts.join("  ")}  ${perStep.toFixed(2)} s/step  ${rest} left`;
}

function startLines(event: Extract<RunEvent, { kind: "start" }>): string[] {
  const width = Math.max(...Object.keys(event.facts).map((name) => name.length));
  return [
    "",
    event.title,
    ...Object.entries(event.facts).map(([name, value]) => `  ${name.padEnd(width)}  ${value}`),
    "",
  ];
}

function evaluationText(event: Extract<RunEvent, { kind: "evaluation" }>): string {
  return Object.entries(event.metrics)
    .map(([name, estimate]) => `${name} ${estimateText(estimate)}`)
    .join("   ");
}
