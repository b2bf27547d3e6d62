import type { AddCommand } from "../command-line.ts";
import { addEvalCoco } from "./eval-coco.ts";

/** `vlmr1 eval …`: what a model, or a file of results, is worth. */
export const addEval: AddCommand = (program, terminal) => {
  const command = program
    .command("eval")
    .description("evaluate a model on a dataset, or a COCO results file");
  addEvalCoco(command, terminal);
};
