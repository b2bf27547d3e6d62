/** Runs tasks, at most `count` at a time, in the order in which they come. */
export function limitConcurrency(count: number): <T>(task: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (task) => {
    if (running >= count) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await task();
    } finally {
      const next = waiting.shift(); // the place is handed over, so that `running` never exceeds `count`
      if (next) next();
      else running--;
    }
  };
}
