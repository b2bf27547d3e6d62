import type { ScoredSample } from "./sample.ts";

/** What a reward sees of one completion. */
export interface RewardInput<Target = unknown> {
  /** What the model wrote. It is data: whatever it contains, a reward returns a number. */
  readonly completion: string;
  readonly sample: ScoredSample<Target>;
  /** Training step, from 0; absent outside training. `schedule` follows it. */
  readonly step?: number;
  /** Tokens in the completion, when the caller knows them; length rules fall back to words. */
  readonly tokenCount?: number;
  /** Whether the completion was cut off at the length limit. */
  readonly truncated?: boolean;
}

/**
 * One rule: how good is this completion for this sample? Pure and deterministic, finite, in a documented range.
 *
 * A malformed completion scores low. A malformed target throws: it is the user's mistake, and never becomes a score.
 */
export type RewardFunction<Target = unknown> = (input: RewardInput<Target>) => number | Promise<number>;

/** A combined score and the parts that made it, by the names the caller gave them. */
export interface RewardBreakdown {
  readonly total: number;
  /** Each rule's own value, before its weight. */
  readonly scores: Readonly<Record<string, number>>;
}

/** What the trainer asks of a combination of rewards. `weightedSum` makes one. */
export type ScoreFunction<Target = unknown> = (input: RewardInput<Target>) => Promise<RewardBreakdown>;
