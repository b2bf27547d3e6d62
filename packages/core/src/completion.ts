import type { Rng } from "./rng.ts";
import type { Sample } from "./sample.ts";

/** One answer that a model wrote. */
export interface Completion {
  /** The decoded text, without special tokens that end it. */
  readonly text: string;
  /** The tokens that were sampled, the stop token included. */
  readonly tokenIds: readonly number[];
  /** log p of each token under the distribution it was sampled from: one number per token, natural logarithm, <= 0. */
  readonly logProbs: readonly number[];
  /** `stop`: the model ended it; `length`: it was cut off at `maxNewTokens`; `aborted`: the caller stopped it. */
  readonly finishReason: "stop" | "length" | "aborted";
}

/** How to sample. Defaults are the model's own generation configuration. */
export interface CompleteOptions {
  /** Answers per prompt (the group size G). At least 1. */
  readonly count: number;
  /** Where the randomness comes from; the same generator gives the same text. */
  readonly rng: Rng;
  readonly maxNewTokens?: number;
  /** 0 is greedy, 1 the model's own distribution. */
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
  readonly stop?: readonly string[];
  readonly signal?: AbortSignal;
  /**
   * Which number each prompt has in the whole batch: its noise is drawn under it, so that a prompt gets the same completions whether
   * it is asked with the others, alone, or by another process. Default: its place in this call.
   */
  readonly promptNumbers?: readonly number[];
  /** The answers are for an update of the model's weights: a policy may keep what it computed for them until then. */
  readonly forTraining?: boolean;
}

/** Anything that answers questions about pictures: a local model, a policy in training, a remote server. */
export interface CompletionModel {
  /** Returns one group per sample, in order: `result[i].length === options.count`. */
  complete(samples: readonly Sample[], options: CompleteOptions): Promise<readonly (readonly Completion[])[]>;
}
