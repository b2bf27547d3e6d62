import { expect, test } from "vitest";
import { killAndResume } from "./kill-and-resume.ts";

test("killed at 20 random instants, a run ends with the metrics and weights of one that was never stopped", async () => {
  const steps = 60;
  const whole = await killAndResume(0, steps, 0);
  const killed = await killAndResume(20, steps, 2_000_000);
  const expected = new Map(whole.lines.map(({ step, metrics }) => [step, JSON.stringify(metrics)]));
  expect(expected.size).toBe(steps + 1);
  for (const { step, metrics } of killed.lines.slice(0, -1))
    expect(JSON.stringify(metrics)).toBe(expected.get(step));
  expect(killed.lines.at(-1)?.done).toBe(whole.lines.at(-1)?.done);
  expect(killed.broken).toEqual([]);
  expect(killed.duringWrites).toBeGreaterThan(2);
}, 600_000);
