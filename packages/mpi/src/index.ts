export { joinRanks, type JoinOptions, type Ranks } from "./join-ranks.ts";
export { launchedBy, type Environment, type Launch } from "./launcher.ts";
