/** Measures how long named phases take, in seconds. */
export interface Stopwatch<Phase extends string> {
  /** Runs `work` and adds its duration to `phase`. */
  time<T>(phase: Phase, work: () => Promise<T>): Promise<T>;
  /** Seconds so far, by phase. */
  readonly seconds: Readonly<Record<Phase, number>>;
}

/** A stopwatch at zero. */
export function createStopwatch<Phase extends string>(phases: readonly Phase[]): Stopwatch<Phase> {
  const seconds = Object.fromEntries(phases.map((phase) => [phase, 0])) as Record<Phase, number>;
  return {
    seconds,
    time: async (phase, work) => {
      const begin = performance.now();
      try {
        return await work();
      } finally {
        seconds[phase] += (performance.now() - begin) / 1000;
      }
    },
  };
}
