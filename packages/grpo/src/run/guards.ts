import { z } from "zod";

/** A rule about one metric, and what to do when it is broken. */
export const Guard = z.strictObject({
  metric: z
    .string()
    .describe("Name of the metric, as in a report: policy/kl, policy/gradient-norm, completion/length."),
  above: z.number().optional().describe("Broken when the metric is larger than this."),
  below: z.number().optional().describe("Broken when the metric is smaller than this."),
  aboveMean: z
    .number()
    .gt(1)
    .optional()
    .describe("Broken when the metric exceeds this many times its own running mean (after ten steps)."),
  patience: z.int().min(1).default(1).describe("Steps in a row that must break the rule before it fires."),
  action: z
    .enum(["warn", "rollback", "stop"])
    .default("warn")
    .describe("Say so; return to the last good state and go on; or end the run."),
});
export type Guard = z.output<typeof Guard>;

/**
 * Guards that are on unless a configuration names its own. Weights that double in one step are weights destroyed, by a learning rate
 * that is too high; everything else is a warning.
 */
export const defaultGuards: readonly z.input<typeof Guard>[] = [
  { metric: "policy/weight-growth", above: 2, action: "rollback" },
  { metric: "policy/kl", above: 1, patience: 3 },
  { metric: "policy/gradient-norm", aboveMean: 20 },
  { metric: "policy/entropy", below: 0.01, patience: 3 },
  { metric: "completion/truncated", above: 0.5, patience: 3 },
  { metric: "sampler/log-prob-gap", above: 0.3, patience: 3 },
  { metric: "reward/constant-groups", above: 0.95, patience: 5 },
];

/** A rule that fired. */
export interface GuardEvent {
  readonly action: Guard["action"];
  readonly metric: string;
  readonly value: number;
  /** One sentence that names rule and value. */
  readonly message: string;
}

/** What a guard remembers between steps. */
export interface GuardMemory {
  /** Steps in a row that broke the rule. */
  readonly broken: number;
  /** Running mean of the metric, and how many steps it has seen. */
  readonly mean: number;
  readonly seen: number;
}

const settleSteps = 10;

/** Checks every guard against one step's metrics; returns what fired and what to remember. A metric that is absent is skipped. */
export function checkGuards(
  guards: readonly Guard[],
  metrics: Readonly<Record<string, number>>,
  memory: readonly GuardMemory[],
): { readonly events: GuardEvent[]; readonly memory: GuardMemory[] } {
  const events: GuardEvent[] = [];
  const next = guards.map((guard, i) => {
    const before = memory[i] ?? { broken: 0, mean: 0, seen: 0 };
    const value = metrics[guard.metric];
    if (value === undefined) return before;
    const reason = brokenRule(guard, value, before);
    const broken = reason === undefined ? 0 : before.broken + 1;
    if (reason !== undefined && broken >= guard.patience) {
      const steps = guard.patience > 1 ? ` for ${broken} steps` : "";
      const message = `${guard.metric} is ${Number(value.toPrecision(4))}, ${reason}${steps}: ${guard.action}.`;
      events.push({ action: guard.action, metric: guard.metric, value, message });
    }
    // A broken step does not move the mean that it is compared with.
    if (reason !== undefined) return { ...before, broken };
    const seen = before.seen + 1;
    return { broken, seen, mean: before.mean + (value - before.mean) / Math.min(seen, 50) };
  });
  return { events, memory: next };
}

function brokenRule(guard: Guard, value: number, { mean, seen }: GuardMemory): string | undefined {
  if (Number.isNaN(value)) return "not a number";
  if (guard.above !== undefined && value > guard.above) return `above ${guard.above}`;
  if (guard.below !== undefined && value < guard.below) return `below ${guard.below}`;
  const limit = guard.aboveMean === undefined || seen < settleSteps ? Infinity : guard.aboveMean * mean;
  if (value > limit) return `more than ${guard.aboveMean} times its mean of ${Number(mean.toPrecision(4))}`;
  return undefined;
}
