import type { AddCommand } from "../command-line.ts";
import { addConfigCommand } from "../compose/config-command.ts";
import { addRunOptions } from "../compose/run-options.ts";
import { trainingScopes } from "../compose/flag-scopes.ts";

/** `vlmr1 sft`: supervised fine-tuning, on the same data and with the same reports as `vlmr1 grpo`. */
export const addSft: AddCommand = (program, terminal) => {
  addConfigCommand(program, terminal, {
    name: "sft",
    description: "train a model to imitate answers (supervised fine-tuning)",
    schema: async () => (await import("../config/run-config.ts")).RunConfig,
    scope: trainingScopes.sft,
    options: addRunOptions,
    run: async (given, output) =>
      (await import("../compose/training-command.ts")).trainingCommand("sft", given, output),
  });
};
