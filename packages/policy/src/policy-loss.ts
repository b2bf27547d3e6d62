import type * as tf from "@tensorflow/tfjs-core";

/** What a loss sees: B completions of up to T tokens, right-padded. Recorded in a graph, so only TensorFlow.js ops touch it. */
export interface PolicyLossInputs {
  /** log pi_theta of each sampled token, differentiable. [B, T] */
  readonly logProbs: tf.Tensor2D;
  /** Entropy of pi_theta at each position, differentiable; present when the loss `needs.entropies`. [B, T] */
  readonly entropies?: tf.Tensor2D;
  /** log pi_old; the policy's own log-probabilities without their gradient when the batch is on-policy. [B, T] */
  readonly oldLogProbs: tf.Tensor2D;
  /** log pi_ref; present when the batch has it. [B, T] */
  readonly referenceLogProbs?: tf.Tensor2D;
  /** log pi of the sampler; present when the batch has it. [B, T] */
  readonly samplerLogProbs?: tf.Tensor2D;
  /** One per completion. [B] */
  readonly advantages: tf.Tensor1D;
  /** 1 where a token counts, 0 on padding and masked answers. [B, T] */
  readonly mask: tf.Tensor2D;
  /** Completions of the whole optimizer step. [] */
  readonly totalCompletions: tf.Scalar;
  /** Tokens that count in the whole optimizer step. [] */
  readonly totalTokens: tf.Scalar;
  /** The longest a completion could have been. [] */
  readonly maxNewTokens: tf.Scalar;
  /** Micro-batches of the optimizer step; losses that are means of means divide by it. [] */
  readonly microBatches: tf.Scalar;
}

/** A loss is a value: a pure function of log-probabilities and what it needs to be given. */
export interface PolicyLoss {
  /** Identifies the function and its options: policies compile once per key. */
  readonly key: string;
  /** `entropies`: the policy must compute them. `reference`: the trainer must ask for reference log-probabilities (beta > 0). */
  readonly needs: { readonly entropies: boolean; readonly reference: boolean };
  /**
   * The micro-batch's share of the loss (shares add up to the step's loss), and scalar metrics by name.
   * Metrics are averages over this micro-batch's counting tokens.
   */
  compute(inputs: PolicyLossInputs): {
    readonly loss: tf.Scalar;
    readonly metrics: Readonly<Record<string, tf.Scalar>>;
  };
}
