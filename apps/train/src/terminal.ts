/** Where lines go. `columns` is absent when it is not a terminal. */
export interface LineWriter {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Where a command speaks to people, and where it puts its result. */
export interface Terminal {
  /** For people: standard output, or standard error when `--json` keeps standard output for the result. */
  readonly out: LineWriter;
  readonly json: boolean;
  /** The arguments as they were typed: what a report gives as the way to repeat a run. */
  readonly typed: readonly string[];
  /** One line for people. */
  say(text: string): void;
  /** Ends a command with its result: one line of JSON under `--json`, else the text for people. */
  result(value: unknown, text: string): void;
  /** The result says that something is bad: the command did its work, and ends with exit code 1. */
  bad(): void;
}

const silent: LineWriter = { write: () => true };

/** The terminal of this process. */
export function processTerminal(
  { json = false, quiet = false }: { readonly json?: boolean; readonly quiet?: boolean },
  typed: readonly string[],
  onBad: () => void = () => undefined,
): Terminal {
  const out = quiet ? silent : json ? process.stderr : process.stdout;
  return {
    out,
    json,
    typed,
    say: (text) => void out.write(`${text}\n`),
    bad: onBad,
    result: (value, text) =>
      void (json ? process.stdout.write(`${JSON.stringify(value)}\n`) : process.stdout.write(`${text}\n`)),
  };
}

/** `42 s`, `3 min 5 s`, `2 h 10 min`. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** Ctrl-C as an AbortSignal: the first asks the run to save and end, a second one ends the process at once. */
export interface Interruption {
  readonly signal: AbortSignal;
  /** Gives Ctrl-C its usual meaning back. */
  dispose(): void;
}

const stops = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** One Ctrl-C arrives more than once when a launcher passes on what the terminal has told everybody. */
const echoMilliseconds = 1000;

/**
 * Listens for Ctrl-C, SIGTERM, and SIGHUP, which a terminal sends that is closed. `say` tells the person what will happen. Only a Ctrl-C
 * after the first second ends the process without saving: whoever wants a run gone with SIGTERM waits, or sends SIGKILL.
 */
export function listenForInterruption(say: (text: string) => void): Interruption {
  const controller = new AbortController();
  let first = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (!controller.signal.aborted) {
      first = performance.now();
      say("Stopping: saving what was learned. Press Ctrl-C again to stop at once.");
      controller.abort();
    } else if (signal === "SIGINT" && performance.now() - first > echoMilliseconds) process.exit(130);
  };
  for (const signal of stops) process.on(signal, onSignal);
  return {
    signal: controller.signal,
    dispose() {
      for (const signal of stops) process.off(signal, onSignal);
    },
  };
}
