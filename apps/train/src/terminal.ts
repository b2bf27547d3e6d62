import type { LineWriter } from "./run/console-sink.ts";

/** Where a command speaks to people, and where it puts its result. */
export interface Terminal {
  /** For people: standard output, or standard error when `--json` keeps standard output for the result. */
  readonly out: LineWriter;
  readonly json: boolean;
  /** Ends a command with its result: one line of JSON under `--json`, else the text for people. */
  result(value: unknown, text: string): void;
}

const silent: LineWriter = { write: () => true };

/** The terminal of this process. */
export function processTerminal({
  json = false,
  quiet = false,
}: {
  json?: boolean;
  quiet?: boolean;
}): Terminal {
  const out = quiet ? silent : json ? process.stderr : process.stdout;
  return {
    out,
    json,
    result: (value, text) =>
      void (json ? process.stdout.write(`${JSON.stringify(value)}\n`) : process.stdout.write(`${text}\n`)),
  };
}
