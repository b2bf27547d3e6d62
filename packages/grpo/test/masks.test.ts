import * as tf from "@tensorflow/tfjs";
import { describe, expect, test } from "vitest";
import { completionMasks, tokenMask } from "../src/completion-mask.ts";
import { offPolicyMask, topEntropyMask } from "../src/loss/terms.ts";
import { fixture } from "./fixture.ts";

interface Masks {
  entropy: {
    entropies: number[][];
    mask: number[][];
    threshold_quantile: number;
    expected_mask: number[][];
  }[];
  off_policy: {
    logps: number[][];
    sampling_logps: number[][];
    mask: number[][];
    cases: { threshold: number; advantages: number[]; expected_keep: number[] }[];
  };
  completion_masks: {
    generated_ids: number[][];
    eos_token_ids: number[];
    pad_token_id: number;
    mask_truncated_completions: boolean;
    expected: { mask: number[][]; lengths: number[]; is_truncated: number[]; clipped_ratio: number };
  }[];
}
const data = fixture<Masks>("masks.json");

describe("masks equal those of TRL", () => {
  test.each(data.entropy.map((example, i) => [i, example] as const))("top entropy %i", (_, example) => {
    const { entropies, mask, threshold_quantile } = example;
    const ours = topEntropyMask(tf.tensor2d(entropies), tf.tensor2d(mask), threshold_quantile);
    expect(ours.arraySync()).toEqual(example.expected_mask);
  });

  test.each(data.off_policy.cases)(
    "off-policy, threshold $threshold",
    ({ threshold, advantages, expected_keep }) => {
      const { logps, sampling_logps, mask } = data.off_policy;
      const keep = offPolicyMask(
        tf.tensor2d(logps),
        tf.tensor2d(sampling_logps),
        tf.tensor1d(advantages),
        tf.tensor2d(mask),
        threshold,
      );
      expect(keep.arraySync().flat()).toEqual(expected_keep);
    },
  );

  test.each(data.completion_masks)("completions, maskTruncated $mask_truncated_completions", (example) => {
    const { mask, lengths, truncated } = completionMasks(example.generated_ids, {
      endTokenIds: example.eos_token_ids,
      padTokenId: example.pad_token_id,
      maskTruncated: example.mask_truncated_completions,
    });
    expect(mask).toEqual(example.expected.mask);
    expect(lengths).toEqual(example.expected.lengths);
    expect(truncated.map(Number)).toEqual(example.expected.is_truncated);
  });
});

test("a token mask blames nobody for being cut off", () => {
  expect(tokenMask({ tokenIds: [1, 2], finishReason: "length" }, true)).toEqual([0, 0]);
  expect(tokenMask({ tokenIds: [1, 2], finishReason: "length" }, false)).toEqual([1, 1]);
  expect(tokenMask({ tokenIds: [1, 2], finishReason: "stop" }, true)).toEqual([1, 1]);
});
