import { z } from "zod";
import {
  constantSchedule,
  cosineRestartsSchedule,
  cosineSchedule,
  inverseSqrtSchedule,
  linearSchedule,
  plateauSchedule,
  polynomialSchedule,
  type Schedule,
} from "./schedule.ts";

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
