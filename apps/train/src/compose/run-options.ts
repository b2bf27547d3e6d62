import type { Command } from "commander";

/** What `grpo` and `sft` take beside their configuration. */
export function addRunOptions(command: Command): void {
  command
    .option("--dry-run", "print the resolved plan; no weight is read")
    .option("--trial", "print the plan with the time of a step, measured by trying two")
    .option("--resume [dir]", "continue the run in this folder (or in --out) from its newest checkpoint");
}
