import { VlmR1Error, type Sample } from "@vlmr1/core";
import type { CompletionGroup, Policy } from "@vlmr1/policy";

/**
 * A policy in plain arithmetic, without TensorFlow.js: a table of logits for each prompt and position, importance-weighted policy
 * gradient, Adam. It ignores the loss and optimizer values, costs next to nothing, and is for tests of everything around them.
 */
export function plainPolicy({ prompts = 6, words = 4, maxLength = 3 } = {}): Policy {
  const size = prompts * maxLength * words;
  const zeros = () => new Float32Array(size);
  const state = { parameters: zeros(), reference: zeros(), mean: zeros(), variance: zeros() };
  const gradient = new Float64Array(size);
  let accumulated = { batches: 0, loss: 0 };
  const clear = () => {
    gradient.fill(0);
    accumulated = { batches: 0, loss: 0 };
  };
  const at = ({ id }: Sample, t: number) => ((Number(id) % prompts) * maxLength + t) * words;
  const probabilities = (table: Float32Array, start: number, temperature: number): number[] => {
    const weights = Array.from(table.subarray(start, start + words), (value) =>
      Math.exp(value / temperature),
    );
    const total = weights.reduce((sum, value) => sum + value, 0);
    return weights.map((value) => value / total);
  };
  const logProbs = (table: Float32Array, groups: readonly CompletionGroup[], temperature: number) =>
    groups.map(({ sample, completions }) =>
      completions.map(({ tokenIds }) =>
        Float32Array.from(tokenIds, (id, t) =>
          Math.log(probabilities(table, at(sample, t), temperature)[id] as number),
        ),
      ),
    );
  return {
    complete: async (samples, { count, rng, promptNumbers, temperature = 1, maxNewTokens = maxLength }) =>
      samples.map((sample, i) =>
        Array.from({ length: count }, (_, g) => {
          const noise = rng.fork(`${promptNumbers?.[i] ?? i}/${g}`);
          const [tokenIds, logProbs]: [number[], number[]] = [[], []];
          while (tokenIds.length < Math.min(maxLength, maxNewTokens) && tokenIds.at(-1) !== words - 1) {
            let target = noise.uniform();
            const ps = probabilities(state.parameters, at(sample, tokenIds.length), temperature || 1e-3);
            const id = Math.max(
              0,
              ps.findIndex((p) => (target -= p) < 0),
            );
            tokenIds.push(id);
            logProbs.push(Math.log(ps[id] as number));
          }
          const text = tokenIds.map((id) => "abcdefgh"[id]).join("");
          return { text, tokenIds, logProbs, finishReason: "stop" as const };
        }),
      ),
    logProbs: async (groups, { temperature }) => logProbs(state.parameters, groups, temperature),
    referenceLogProbs: async (groups, { temperature }) => logProbs(state.reference, groups, temperature),
    accumulate: async ({ groups, totals, temperature }) => {
      const now = logProbs(state.parameters, groups, temperature);
      let loss = 0;
      groups.forEach(({ sample, completions, advantages, oldLogProbs }, g) =>
        completions.forEach(({ tokenIds }, i) =>
          tokenIds.forEach((id, t) => {
            const ratio = Math.exp(
              (now[g]?.[i]?.[t] ?? 0) - (oldLogProbs?.[i]?.[t] ?? now[g]?.[i]?.[t] ?? 0),
            );
            const weight = (-(advantages[i] as number) * ratio) / totals.tokens;
            loss += weight;
            probabilities(state.parameters, at(sample, t), temperature).forEach((p, v) => {
              const index = at(sample, t) + v;
              gradient[index] = (gradient[index] as number) + weight * (Number(v === id) - p);
            });
          }),
        ),
      );
      accumulated = { batches: accumulated.batches + 1, loss: accumulated.loss + loss };
      return { loss, metrics: { ratio: 1 }, logProbs: now };
    },
    apply: async (_, { learningRate, step, combineGradient }) => {
      if (accumulated.batches === 0 && !combineGradient) {
        throw new VlmR1Error("invalid-argument", "apply() without a gradient: call accumulate() first.");
      }
      if (!Number.isFinite(accumulated.loss)) gradient.fill(NaN);
      if (combineGradient) {
        const combined = Float32Array.from(gradient);
        await combineGradient(combined);
        gradient.set(combined);
      }
      const gradientNorm = Math.hypot(...gradient);
      if (!Number.isFinite(gradientNorm)) {
        clear();
        return { gradientNorm, applied: false };
      }
      gradient.forEach((g, i) => {
        const mean = (state.mean[i] = 0.9 * (state.mean[i] as number) + 0.1 * g);
        const variance = (state.variance[i] = 0.99 * (state.variance[i] as number) + 0.01 * g * g);
        const move = mean / (1 - 0.9 ** (step + 1)) / (Math.sqrt(variance / (1 - 0.99 ** (step + 1))) + 1e-8);
        state.parameters[i] = (state.parameters[i] as number) - learningRate * move;
      });
      clear();
      return { gradientNorm, applied: true };
    },
    discard: clear,
    syncReference: async (mix) =>
      state.reference.forEach(
        (r, i) => (state.reference[i] = mix * (state.parameters[i] as number) + (1 - mix) * r),
      ),
    snapshot: async () => structuredClone(state),
    restore: async (saved) => {
      if (Object.keys(state).some((name) => saved[name]?.length !== size)) {
        throw new VlmR1Error("invalid-data", `The state is not of a policy of ${size} numbers.`);
      }
      clear();
      for (const [name, values] of Object.entries(saved)) state[name as keyof typeof state]?.set(values);
    },
    save: async () => undefined,
    tokenizeCompletion: (text) => [...text].map((letter) => "abcdefgh".indexOf(letter)),
  };
}
