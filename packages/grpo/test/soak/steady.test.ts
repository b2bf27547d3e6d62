import { expect, test } from "vitest";
import { killAndResume } from "../kill-and-resume.ts";
import { trainerMilliseconds } from "../trainer-overhead.ts";

test("killed at 200 random instants, a run ends as one that was never stopped", async () => {
  const steps = 600;
  const whole = await killAndResume(0, steps, 0);
  const killed = await killAndResume(200, steps, 1_000_000);
  const expected = new Map(whole.lines.map(({ step, metrics }) => [step, JSON.stringify(metrics)]));
  for (const { step, metrics } of killed.lines.slice(0, -1))
    expect(JSON.stringify(metrics)).toBe(expected.get(step));
  expect(killed.lines.at(-1)?.done).toBe(whole.lines.at(-1)?.done);
  expect(killed.broken).toEqual([]);
}, 3_600_000);

test("at the size of nano the trainer's own work is under 3 % of a step of 150 ms", async () => {
  expect(await trainerMilliseconds(500)).toBeLessThan(0.03 * 150);
}, 120_000);
