import { expect, test } from "vitest";
import type { RunEvent } from "../../src/run/events.ts";
import { guardedSinks } from "../../src/run/sinks.ts";

const step = (number: number): RunEvent => ({
  kind: "step",
  step: number,
  steps: 9,
  seconds: 1,
  metrics: {},
});

test("a sink that cannot write is left out, the others hear of it, and the end names it", async () => {
  const heard: RunEvent[] = [];
  let attempts = 0;
  const full = {
    write: () => {
      attempts++;
      throw new Error("ENOSPC: no space left on device, write 'metrics.jsonl'");
    },
    close: () => undefined,
  };
  const { sinks, close } = guardedSinks([
    full,
    { write: (event) => void heard.push(event), close: () => undefined },
  ]);
  for (const number of [1, 2, 3]) for (const sink of sinks) await sink.write(step(number));
  expect(attempts).toBe(1);
  expect(heard.map(({ kind }) => kind)).toEqual(["notice", "step", "step", "step"]);
  expect(heard[0]).toMatchObject({ step: 1, level: "warning" });
  await expect(close()).rejects.toThrow(/could not be written; .*ENOSPC/);
});

test("sinks that write well close without a word, and every one is closed", async () => {
  let closed = 0;
  const fine = { write: () => undefined, close: () => void closed++ };
  const { close } = guardedSinks([fine, fine]);
  await close();
  expect(closed).toBe(1 + 1);
});
