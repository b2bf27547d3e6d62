import { adam, adamW, muon, sgd, type Optimizer } from "@vlmr1/grpo";
import type { optimizerNames, RunConfig } from "../config/run-config.ts";
import { given } from "./chosen-loss.ts";

const optimizers: Readonly<Record<(typeof optimizerNames)[number], (options: object) => Optimizer>> = {
  adamw: adamW,
  adam,
  muon,
  sgd,
};

/**
 * The optimizer that a configuration names. Options that are not given are its own.
 *
 * @throws VlmR1Error `invalid-argument` for an option that it does not have.
 */
export function chosenOptimizer({
  optimizer,
  optimizerOptions,
}: Pick<RunConfig, "optimizer" | "optimizerOptions">): Optimizer {
  return optimizers[optimizer](given(optimizerOptions));
}
