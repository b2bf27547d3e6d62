export { checkReward, type RewardContract } from "./conformance/check-reward.ts";
export { hostileCompletions, type HostileCompletion } from "./conformance/hostile.ts";
export { randomCompletions } from "./conformance/random.ts";
