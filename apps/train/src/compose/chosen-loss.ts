import {
  bnpoLoss,
  cispoLoss,
  dapoLoss,
  drGrpoLoss,
  grpoLoss,
  gspoLoss,
  luspoLoss,
  sapoLoss,
  vespoLoss,
  type PolicyLoss,
} from "@vlmr1/grpo";
import type { lossNames, RunConfig } from "../config/run-config.ts";

const losses: Readonly<Record<(typeof lossNames)[number], (options: object) => PolicyLoss>> = {
  grpo: grpoLoss,
  bnpo: bnpoLoss,
  "dr-grpo": drGrpoLoss,
  dapo: dapoLoss,
  gspo: gspoLoss,
  cispo: cispoLoss,
  sapo: sapoLoss,
  vespo: vespoLoss,
  luspo: luspoLoss,
};

/**
 * The loss that a configuration names. Options that are not given are the variant's own.
 *
 * @throws VlmR1Error `invalid-argument` for an option that the variant does not have.
 */
export function chosenLoss({ loss, lossOptions }: Pick<RunConfig, "loss" | "lossOptions">): PolicyLoss {
  return losses[loss](given(lossOptions));
}

/** The members that have a value. */
export function given(options: object): object {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
