import { VlmR1Error } from "@vlmr1/core";
import { z } from "zod";

/**
 * A number that changes with training: `step` counts the optimizer steps already taken, so the first update asks for
 * `schedule(0)`. Every schedule here is a factor between 0 and 1 to be multiplied with the peak learning rate.
 */
export type Schedule = (step: number) => number;

/** Lengths of the phases of a schedule, in optimizer steps. */
export interface SchedulePhases {
  /** Steps of linear warm-up from 0; the first step of a warm-up therefore changes nothing, as in PyTorch. */
  readonly warmup?: number;
  /** Step at which the decay is over. */
  readonly total: number;
}

/** Stays at 1 after `warmup` steps of linear warm-up. Equal to transformers' `get_constant_schedule_with_warmup`. */
export function constantSchedule(warmup = 0): Schedule {
  check("warmup", warmup);
  return (step) => rise(step, warmup) ?? 1;
}

/** Falls linearly to 0 at `total`. Equal to transformers' `get_linear_schedule_with_warmup`. */
export function linearSchedule({ warmup = 0, total }: SchedulePhases): Schedule {
  check("warmup", warmup, total);
  return (step) => rise(step, warmup) ?? Math.max(0, (total - step) / Math.max(1, total - warmup));
}

/**
 * Follows a cosine from 1; half a wave (the default) ends at 0 at `total`, `cycles: 1` is back at 1 there.
 * Equal to transformers' `get_cosine_schedule_with_warmup`.
 */
export function cosineSchedule({
  warmup = 0,
  total,
  cycles = 0.5,
}: SchedulePhases & { cycles?: number }): Schedule {
  check("warmup", warmup, total);
  return (step) => rise(step, warmup) ?? Math.max(0, wave(2 * cycles * progress(step, warmup, total)));
}

/** Half a cosine wave, restarted at 1 `cycles` times. Equal to `get_cosine_with_hard_restarts_schedule_with_warmup`. */
export function cosineRestartsSchedule({
  warmup = 0,
  total,
  cycles = 1,
}: SchedulePhases & { cycles?: number }): Schedule {
  check("warmup", warmup, total);
  return (step) => {
    const rising = rise(step, warmup);
    if (rising !== undefined) return rising;
    const done = progress(step, warmup, total);
    return done >= 1 ? 0 : Math.max(0, wave((cycles * done) % 1));
  };
}

/** Falls to `end` as (1 - progress) ** power. Equal to `get_polynomial_decay_schedule_with_warmup`. */
export function polynomialSchedule({
  warmup = 0,
  total,
  power = 1,
  end = 0,
}: SchedulePhases & { power?: number; end?: number }): Schedule {
  check("warmup", warmup, total);
  return (step) => {
    const rising = rise(step, warmup);
    if (rising !== undefined) return rising;
    return step > total ? end : (1 - end) * (1 - (step - warmup) / (total - warmup)) ** power + end;
  };
}

/** Falls as 1 / sqrt(step) after warm-up. Equal to transformers' `get_inverse_sqrt_schedule`. */
export function inverseSqrtSchedule({ warmup = 0 }: { warmup?: number }): Schedule {
  check("warmup", warmup);
  const timescale = warmup || 10_000;
  return (step) => rise(step, warmup) ?? 1 / Math.sqrt((step + timescale - warmup) / timescale);
}

/** Warm-up, a plateau at 1, then a linear fall to 0 over the last `decay` steps before `total` (warm-up-stable-decay). */
export function plateauSchedule({ warmup = 0, total, decay }: SchedulePhases & { decay: number }): Schedule {
  check("warmup", warmup, total);
  return (step) => rise(step, warmup) ?? Math.min(1, Math.max(0, (total - step) / Math.max(1, decay)));
}

function rise(step: number, warmup: number): number | undefined {
  return step < warmup ? step / Math.max(1, warmup) : undefined;
}

function progress(step: number, warmup: number, total: number): number {
  return (step - warmup) / Math.max(1, total - warmup);
}

function wave(halves: number): number {
  return 0.5 * (1 + Math.cos(Math.PI * halves));
}

function check(name: string, warmup: number, total = Infinity): void {
  if (!(warmup >= 0))
    throw new VlmR1Error("invalid-argument", `${name} must be at least 0 steps, got ${warmup}.`);
  if (!(total > warmup)) {
    throw new VlmR1Error(
      "invalid-argument",
      `A schedule of ${total} steps has no room after a warm-up of ${warmup}: make total larger than warmup.`,
    );
  }
}

/** How the learning rate moves over a run. */
export const ScheduleOptions = z.strictObject({
  shape: z
    .enum(["constant", "linear", "cosine", "cosine-restarts", "polynomial", "inverse-sqrt", "plateau"])
    .default("constant")
    .describe("How the learning rate falls after warm-up."),
  warmup: z.int().min(0).default(0).describe("Updates of linear warm-up from 0."),
  decay: z
    .int()
    .min(1)
    .optional()
    .describe("plateau: updates of the final fall; absent: a fifth of the run."),
  cycles: z
    .number()
    .positive()
    .optional()
    .describe("cosine: waves (0.5 falls to 0 once); cosine-restarts: restarts."),
  power: z.number().positive().default(1).describe("polynomial: 1 is a line, 2 a parabola."),
  end: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe("polynomial: where it ends, as a fraction of the learning rate."),
});
export type ScheduleOptions = z.output<typeof ScheduleOptions>;

/** The schedule that these options describe, for a run of `total` updates. */
export function scheduleFrom(
  { shape, warmup, decay, cycles, power, end }: ScheduleOptions,
  total: number,
): Schedule {
  const phases = { warmup, total };
  switch (shape) {
    case "constant":
      return constantSchedule(warmup);
    case "linear":
      return linearSchedule(phases);
    case "cosine":
      return cosineSchedule({ ...phases, cycles: cycles ?? 0.5 });
    case "cosine-restarts":
      return cosineRestartsSchedule({ ...phases, cycles: cycles ?? 1 });
    case "polynomial":
      return polynomialSchedule({ ...phases, power, end });
    case "inverse-sqrt":
      return inverseSqrtSchedule({ warmup });
    case "plateau":
      return plateauSchedule({ ...phases, decay: decay ?? Math.ceil(total / 5) });
  }
}
