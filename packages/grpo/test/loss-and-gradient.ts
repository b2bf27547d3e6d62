import * as tf from "@tensorflow/tfjs";
import { detached } from "../src/loss/terms.ts";
import type { PolicyLoss } from "@vlmr1/policy";

type Rows = readonly (readonly number[])[];

export interface PlainInputs {
  readonly logProbs: Rows;
  /** Absent: on-policy. */
  readonly oldLogProbs?: Rows;
  readonly referenceLogProbs?: Rows;
  readonly samplerLogProbs?: Rows;
  readonly entropies?: Rows;
  readonly advantages: readonly number[];
  readonly mask: Rows;
  readonly totalCompletions: number;
  readonly totalTokens: number;
  readonly maxNewTokens: number;
  readonly microBatches: number;
}

/** Runs a loss eagerly on plain arrays; the gradient is that with regard to `logProbs`. */
export function lossAndGradient(policyLoss: PolicyLoss, inputs: PlainInputs) {
  const matrix = (rows: Rows) => tf.tensor2d(rows.map((row) => [...row]));
  return tf.tidy(() => {
    let metrics: Record<string, number> = {};
    const run = tf.valueAndGrad((x) => {
      const logProbs = x as tf.Tensor2D;
      const result = policyLoss.compute({
        logProbs,
        oldLogProbs: inputs.oldLogProbs
          ? matrix(inputs.oldLogProbs)
          : (detached((now) => tf.clone(now), x) as tf.Tensor2D),
        ...(inputs.referenceLogProbs && { referenceLogProbs: matrix(inputs.referenceLogProbs) }),
        ...(inputs.samplerLogProbs && { samplerLogProbs: matrix(inputs.samplerLogProbs) }),
        ...(inputs.entropies && { entropies: matrix(inputs.entropies) }),
        advantages: tf.tensor1d([...inputs.advantages]),
        mask: matrix(inputs.mask),
        totalCompletions: tf.scalar(inputs.totalCompletions),
        totalTokens: tf.scalar(inputs.totalTokens),
        maxNewTokens: tf.scalar(inputs.maxNewTokens),
        microBatches: tf.scalar(inputs.microBatches),
      });
      metrics = Object.fromEntries(
        Object.entries(result.metrics).map(([name, value]) => [name, value.arraySync()]),
      );
      return result.loss;
    });
    const { value, grad } = run(matrix(inputs.logProbs));
    return { loss: value.arraySync() as number, gradient: grad.arraySync() as number[][], metrics };
  });
}
