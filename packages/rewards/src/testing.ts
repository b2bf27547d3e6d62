export { checkReward, type RewardContract } from "./conformance.ts";
export { hostileCompletions, type HostileCompletion } from "./conformance.ts";
export { randomCompletions } from "./conformance.ts";
