import { train } from "@vlmr1/grpo";
import type { Policy, TrainOptions } from "@vlmr1/grpo";

/** Steps that are tried to see how fast this machine is; the first compiles and does not count, and the slowest tell what else ran. */
const trialSteps = 8;
const fewest = 100;
const most = 1000;

/**
 * How many steps fit into `seconds` on this machine. Tries some and takes them back: the policy is left as it was.
 */
export async function stepsThatFit<Target>(
  policy: Policy,
  options: Pick<TrainOptions<Target>, "dataset" | "score" | "optimizer" | "loss" | "config">,
  seconds: number,
): Promise<number> {
  const state = await policy.snapshot();
  const times: number[] = [];
  const config = { ...options.config, steps: trialSteps, checkpointEvery: 0 };
  for await (const report of train({ ...options, policy, config })) times.push(report.seconds.total);
  await policy.restore(state);
  const usual = times.slice(1).toSorted((a, b) => a - b)[Math.floor((trialSteps - 1) / 4)] as number;
  return Math.max(fewest, Math.min(most, Math.floor(seconds / usual / 10) * 10));
}
