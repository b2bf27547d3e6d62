import { std, VlmR1Error, type Rng } from "@vlmr1/core";

/** How often a prompt was answered, and how much its answers differed last. */
export interface PromptRecord {
  readonly visits: number;
  /** Smoothed standard deviation of its rewards. */
  readonly spread: number;
}

/** The part of a run's progress that says which prompts come next. */
export interface PromptProgress {
  /** Steps done. */
  step: number;
  /** Prompts drawn so far. */
  promptsDrawn: number;
  /** What difficulty-aware sampling knows, by index of the prompt. */
  prompts: Record<number, PromptRecord>;
}

/** Chooses prompts by index. */
export interface PromptChooser {
  /** The next `count` prompts; moves `progress.promptsDrawn`. */
  draw(progress: PromptProgress, count: number): number[];
  /** Tells what the answers to a prompt were worth, which difficulty-aware sampling learns from. */
  observe(progress: PromptProgress, index: number, rewards: readonly number[]): void;
}

/** Weight of a prompt at a step: 0 leaves it out, 2 makes it twice as likely as 1. A curriculum is one such function. */
export type PromptWeight = (index: number, step: number) => number;

/**
 * Chooses among `length` prompts. Without `weight`, "shuffled" and "sequential" walk through epochs, so that every prompt comes up
 * once an epoch. "difficulty" draws, without repetition inside a step, in proportion to how much a prompt's answers differed last
 * (the spread is what advantages are made of), with a floor for those that did not; prompts never tried count as the most promising.
 */
export function createPromptChooser(options: {
  readonly length: number;
  readonly order: "shuffled" | "sequential" | "difficulty";
  readonly rng: Rng;
  readonly weight?: PromptWeight;
}): PromptChooser {
  const { length, order, rng, weight } = options;
  if (length < 1)
    throw new VlmR1Error("invalid-argument", "The dataset is empty: there is nothing to train on.");
  let cached = { epoch: -1, order: [] as number[] };
  const walk = (position: number): number => {
    const epoch = Math.floor(position / length);
    if (order === "sequential") return position % length;
    if (cached.epoch !== epoch) {
      const indices = Array.from({ length }, (_, i) => i);
      cached = { epoch, order: rng.fork(`epoch-${epoch}`).shuffled(indices) };
    }
    return cached.order[position % length] as number;
  };
  return {
    draw: (progress, count) => {
      const from = progress.promptsDrawn;
      progress.promptsDrawn += count;
      if (order !== "difficulty" && weight === undefined)
        return Array.from({ length: count }, (_, i) => walk(from + i));
      const weights = promptWeights(length, progress, order === "difficulty", weight);
      return drawWithoutRepetition(weights, count, rng.fork(`draw-${from}`));
    },
    observe: (progress, index, rewards) => {
      if (order !== "difficulty") return;
      const before = progress.prompts[index];
      const spread = std(rewards);
      progress.prompts[index] = {
        visits: (before?.visits ?? 0) + 1,
        spread: before === undefined ? spread : (before.spread + spread) / 2,
      };
    },
  };
}

function promptWeights(
  length: number,
  progress: PromptProgress,
  byDifficulty: boolean,
  weight?: PromptWeight,
): Float64Array {
  const known = Object.entries(progress.prompts) as unknown as [string, PromptRecord][];
  const largest = known.reduce((most, [, { spread }]) => Math.max(most, spread), 0) || 1;
  const weights = new Float64Array(length).fill(byDifficulty ? 1.1 * largest : 1);
  if (byDifficulty) for (const [index, { spread }] of known) weights[Number(index)] = 0.1 * largest + spread;
  if (weight) {
    for (let i = 0; i < length; i++) {
      const factor = weight(i, progress.step);
      if (!(factor >= 0 && factor < Infinity)) {
        throw new VlmR1Error(
          "invalid-argument",
          `The weight of prompt ${i} at step ${progress.step} is ${factor}.`,
        );
      }
      weights[i] = (weights[i] as number) * factor;
    }
  }
  return weights;
}

/** Draws by + and comparison only, so that every machine draws the same. When all weight is used up, it begins again. */
function drawWithoutRepetition(weights: Float64Array, count: number, rng: Rng): number[] {
  let left = Float64Array.from(weights);
  const chosen: number[] = [];
  while (chosen.length < count) {
    const total = left.reduce((sum, value) => sum + value, 0);
    if (total <= 0) {
      if (chosen.length === 0)
        throw new VlmR1Error("invalid-argument", "Every prompt has weight 0 at this step.");
      left = Float64Array.from(weights);
      continue;
    }
    let target = rng.uniform() * total;
    let index = left.findIndex((value) => value > 0 && (target -= value) < 0);
    if (index === -1) index = left.findLastIndex((value) => value > 0); // rounding used the total up
    chosen.push(index);
    left[index] = 0;
  }
  return chosen;
}
