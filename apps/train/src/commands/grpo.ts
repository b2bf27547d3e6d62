import type { AddCommand } from "../command-line.ts";
import { addConfigCommand } from "../compose/config-command.ts";
import { addRunOptions } from "../compose/run-options.ts";
import { trainingScopes } from "../compose/flag-scopes.ts";

/** `vlmr1 grpo`: reinforcement learning with rules as rewards, on any data, from any checkpoint. */
export const addGrpo: AddCommand = (program, terminal) => {
  addConfigCommand(program, terminal, {
    name: "grpo",
    description: "train a model with rules as rewards (GRPO and its variants)",
    schema: async () => (await import("../config/run-config.ts")).RunConfig,
    scope: trainingScopes.grpo,
    options: addRunOptions,
    run: async (given, output) =>
      (await import("../compose/training-command.ts")).trainingCommand("grpo", given, output),
  });
};
