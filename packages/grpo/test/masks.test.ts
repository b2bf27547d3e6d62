import * as tf from "@tensorflow/tfjs";
import { describe, expect, test } from "vitest";
import { tokenMask } from "../src/rollout/rollout.ts";
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
    const { mask, lengths, is_truncated } = example.expected;
    example.generated_ids.forEach((row, i) => {
      const tokenIds = row.slice(0, lengths[i]);
      const finishReason = is_truncated[i] ? "length" : "stop";
      const ours = tokenMask({ tokenIds, finishReason }, example.mask_truncated_completions);
      expect([...ours, ...row.slice(lengths[i]).map(() => 0)]).toEqual(mask[i]);
    });
  });
});

test("a token mask blames nobody for being cut off", () => {
  expect(tokenMask({ tokenIds: [1, 2], finishReason: "length" }, true)).toEqual([0, 0]);
  expect(tokenMask({ tokenIds: [1, 2], finishReason: "length" }, false)).toEqual([1, 1]);
  expect(tokenMask({ tokenIds: [1, 2], finishReason: "stop" }, true)).toEqual([1, 1]);
});
