/** Ctrl-C as an AbortSignal: the first asks the run to save and end, the second ends the process at once. */
export interface Interruption {
  readonly signal: AbortSignal;
  /** Gives Ctrl-C its usual meaning back. */
  dispose(): void;
}

/** Listens for Ctrl-C (and SIGTERM). `say` tells the person what will happen. */
export function listenForInterruption(say: (text: string) => void): Interruption {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(130);
    say("Stopping: saving what was learned. Press Ctrl-C again to stop at once.");
    controller.abort();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return {
    signal: controller.signal,
    dispose() {
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
    },
  };
}
