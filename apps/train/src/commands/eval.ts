import type { AddCommand } from "../command-line.ts";
import { addConfigCommand } from "../compose/config-command.ts";
import { evaluationScope } from "../compose/flag-scopes.ts";
import { addEvalCoco } from "./eval-coco.ts";

/** `vlmr1 eval …`: what a model, or a file of results, is worth. */
export const addEval: AddCommand = (program, terminal) => {
  const command = program
    .command("eval")
    .description("evaluate a model on a dataset, or a COCO results file");
  addEvalCoco(command, terminal);
  addConfigCommand(command, terminal, {
    name: "model",
    description: "named metrics of a checkpoint on a dataset, with intervals, as JSON and Markdown",
    schema: async () => (await import("../config/run-config.ts")).RunConfig,
    scope: evaluationScope,
    run: async (given, output) => (await import("../compose/eval-model.ts")).evalModel(given, output),
  });
};
