import { describe, expect, test } from "vitest";
import {
  constantSchedule,
  cosineRestartsSchedule,
  cosineSchedule,
  inverseSqrtSchedule,
  linearSchedule,
  plateauSchedule,
  polynomialSchedule,
  type Schedule,
} from "../src/optimizer/schedule.ts";
import { fixture } from "./fixture.ts";

const { base_lr: peak, lr_used_at_step_1_to_20: expected } = fixture<{
  base_lr: number;
  lr_used_at_step_1_to_20: Record<string, number[]>;
}>("schedules.json");

const schedules: Record<string, Schedule> = {
  constant: constantSchedule(),
  constant_with_warmup_4: constantSchedule(4),
  linear_warmup_3_of_20: linearSchedule({ warmup: 3, total: 20 }),
  linear_no_warmup_of_15: linearSchedule({ total: 15 }),
  cosine_warmup_5_of_20: cosineSchedule({ warmup: 5, total: 20 }),
  "cosine_warmup_2_of_12_cycles_0.5": cosineSchedule({ warmup: 2, total: 12, cycles: 0.5 }),
  cosine_restarts_2_warmup_2_of_20: cosineRestartsSchedule({ warmup: 2, total: 20, cycles: 2 }),
  "polynomial_warmup_2_of_20_power_2_end_1e-5": polynomialSchedule({
    warmup: 2,
    total: 20,
    power: 2,
    end: 1e-5 / peak,
  }),
  inverse_sqrt_warmup_4: inverseSqrtSchedule({ warmup: 4 }),
};

describe("learning rates equal those of transformers", () => {
  test.each(Object.keys(expected))("%s", (name) => {
    const schedule = schedules[name] as Schedule;
    expected[name]?.forEach((rate, step) =>
      expect(Math.abs(peak * schedule(step) - rate)).toBeLessThan(1e-12),
    );
  });
});

test("a plateau holds until its decay begins and ends at zero", () => {
  const schedule = plateauSchedule({ warmup: 2, total: 10, decay: 4 });
  expect([0, 1, 2, 5, 6, 8, 9, 10, 11].map(schedule)).toEqual([0, 0.5, 1, 1, 1, 0.5, 0.25, 0, 0]);
});

test("a warm-up that fills the schedule is refused", () => {
  expect(() => linearSchedule({ warmup: 20, total: 20 })).toThrowErrorMatchingInlineSnapshot(
    `[VlmR1Error: A schedule of 20 steps has no room after a warm-up of 20: make total larger than warmup.]`,
  );
  expect(() => constantSchedule(-1)).toThrowErrorMatchingInlineSnapshot(
    `[VlmR1Error: warmup must be at least 0 steps, got -1.]`,
  );
});
