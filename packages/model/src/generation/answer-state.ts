import type { Draw } from "./sample-on-host.ts";

/** What is wanted of one answer. */
export interface StopRules {
  readonly stopTokenIds: ReadonlySet<number>;
  readonly stopStrings: readonly string[];
  readonly maxNewTokens: number;
  /** Text of tokens without control tokens. */
  decode(ids: readonly number[]): string;
}

/** One answer while it is written. */
export interface AnswerState {
  readonly ids: number[];
  readonly logProbs: number[];
  readonly rawLogProbs: number[];
  finished: "stop" | "length" | "aborted" | undefined;
  /** Set when a stop string ended the answer: the text before it. */
  text: string | undefined;
}

/** A finished answer. */
export interface GeneratedAnswer {
  /** Without control tokens, and without the stop string that ended it. */
  readonly text: string;
  /** The tokens that were drawn, the stop token included. */
  readonly tokenIds: readonly number[];
  /** log p of each token under the distribution that was sampled; 0 when greedy. */
  readonly logProbs: readonly number[];
  /** log p of each token under the model's own distribution (temperature 1, nothing removed). */
  readonly rawLogProbs: readonly number[];
  readonly finishReason: "stop" | "length" | "aborted";
}

export function newAnswer(): AnswerState {
  return { ids: [], logProbs: [], rawLogProbs: [], finished: undefined, text: undefined };
}

/** Appends a token and decides whether the answer ends with it. */
export function extendAnswer(answer: AnswerState, draw: Draw, rules: StopRules): void {
  answer.ids.push(draw.id);
  answer.logProbs.push(draw.logProb);
  answer.rawLogProbs.push(draw.rawLogProb);
  if (rules.stopTokenIds.has(draw.id)) answer.finished = "stop";
  else if (rules.stopStrings.length > 0) endAtStopString(answer, rules);
  if (!answer.finished && answer.ids.length >= rules.maxNewTokens) answer.finished = "length";
}

function endAtStopString(answer: AnswerState, rules: StopRules): void {
  const text = rules.decode(answer.ids);
  const ends = rules.stopStrings.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
  if (ends.length === 0) return;
  answer.finished = "stop";
  answer.text = text.slice(0, Math.min(...ends));
}

export function finishAnswer(answer: AnswerState, rules: StopRules): GeneratedAnswer {
  return {
    text: answer.text ?? rules.decode(answer.ids),
    tokenIds: answer.ids,
    logProbs: answer.logProbs,
    rawLogProbs: answer.rawLogProbs,
    finishReason: answer.finished ?? "aborted",
  };
}
