import { mkdirSync } from "node:fs";
import type { Terminal } from "../terminal.ts";
import { consoleSink } from "./console-sink.ts";
import type { RunSink } from "./events.ts";
import { liveServer } from "./live-server.ts";
import { runFolderSink } from "./run-folder.ts";
import { tensorBoardSink } from "./tensorboard.ts";

/** Everybody who follows a run: the terminal, the run folder, TensorBoard, and the live page when it is asked for. */
export async function openSinks(options: {
  readonly directory: string;
  readonly terminal: Terminal;
  readonly live?: { readonly port: number };
}): Promise<readonly RunSink[]> {
  const { directory, terminal, live } = options;
  mkdirSync(directory, { recursive: true });
  const sinks: RunSink[] = [
    consoleSink(terminal.out),
    runFolderSink(directory),
    tensorBoardSink(directory, new Date()),
  ];
  if (live) {
    const server = await liveServer(live.port);
    terminal.out.write(`Follow the run at ${server.url}\n`);
    sinks.push(server);
  }
  return sinks;
}
