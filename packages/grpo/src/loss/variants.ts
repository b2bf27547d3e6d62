/*
 * Every published variant of the policy loss, one file each. A line here is all that a new one needs: its options appear on the command
 * line, in the help and in docs/configuration.md.
 */
export { grpoLoss } from "./grpo.ts";
export { bnpoLoss } from "./bnpo.ts";
export { drGrpoLoss } from "./dr-grpo.ts";
export { dapoLoss } from "./dapo.ts";
export { gspoLoss } from "./gspo.ts";
export { cispoLoss } from "./cispo.ts";
export { sapoLoss } from "./sapo.ts";
export { vespoLoss } from "./vespo.ts";
export { luspoLoss } from "./luspo.ts";
