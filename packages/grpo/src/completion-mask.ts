import type { Completion } from "@vlmr1/core";

/** Which tokens of generated rows count, and how long each answer is. */
export interface CompletionMasks {
  readonly mask: number[][]; // [B, T]
  /** Tokens up to and with the first end token. */
  readonly lengths: number[]; // [B]
  /** Whether a row ran into the length limit without an end token. */
  readonly truncated: boolean[]; // [B]
}

/**
 * Masks of right-padded rows of generated ids: 1 up to and with the first end token. `maskTruncated` zeroes rows that never ended,
 * so that an answer is not blamed for being cut off (DAPO's overlong filtering, arXiv:2503.14476, section 3.4).
 */
export function completionMasks(
  generated: readonly (readonly number[])[], // [B, T]
  options: {
    readonly endTokenIds: readonly number[];
    readonly padTokenId?: number;
    readonly maskTruncated: boolean;
  },
): CompletionMasks {
  const { endTokenIds, padTokenId, maskTruncated } = options;
  const lengths: number[] = [];
  const truncated: boolean[] = [];
  const mask = generated.map((row) => {
    const end = row.findIndex((id) => endTokenIds.includes(id));
    const length = end === -1 ? row.length : end + 1;
    const last = row.at(-1);
    const ended = end !== -1 || (last !== undefined && last === padTokenId);
    lengths.push(length);
    truncated.push(!ended);
    return row.map((_, t) => (t < length && (ended || !maskTruncated) ? 1 : 0));
  });
  return { mask, lengths, truncated };
}

/** The mask of one completion: all ones, or all zeros when it was cut off and `maskTruncated` is set. [T] */
export function tokenMask(
  completion: Pick<Completion, "tokenIds" | "finishReason">,
  maskTruncated: boolean,
): number[] {
  const counts = maskTruncated && completion.finishReason !== "stop" ? 0 : 1;
  return completion.tokenIds.map(() => counts);
}
