import { VlmR1Error, type Dataset, type Rng } from "@vlmr1/core";
import { apportion, indices } from "./arrange.ts";
import { checkIndex } from "./bad-samples.ts";

/** One part of a mixture. */
export interface MixPart<Target> {
  readonly dataset: Dataset<Target>;
  /** Its share, relative to the other weights; 0 leaves it out. */
  readonly weight: number;
}

/**
 * Mixes datasets in random order with exact shares: of `length` samples, each part gives its share by weight, rounded.
 *
 * A part that is asked for more samples than it has begins again in a new random order; one asked for fewer gives a random choice.
 * @param length how many samples the mixture has; default: all parts' lengths together.
 * @throws VlmR1Error `invalid-argument` for weights that are negative or all 0, or an empty part with a positive weight.
 */
export function mix<Target>(
  parts: readonly MixPart<Target>[],
  rng: Rng,
  { length = parts.reduce((sum, { dataset }) => sum + dataset.length, 0) }: { readonly length?: number } = {},
): Dataset<Target> {
  checkParts(parts, length);
  const stream = rng.fork("mix");
  const counts = apportion(
    length,
    parts.map(({ weight }) => weight),
  );
  const slots = counts.flatMap((count, part) => new Array<number>(count).fill(part));
  const partOf = stream.fork("order").shuffled(slots);
  const queues = parts.map(({ dataset }, part) =>
    draws(dataset.length, counts[part]!, stream.fork(`part-${part}`)),
  );
  const taken = parts.map(() => 0);
  const indexOf = partOf.map((part) => queues[part]![taken[part]!++]!);
  return {
    length,
    async get(index) {
      checkIndex("mix", index, length);
      return parts[partOf[index]!]!.dataset.get(indexOf[index]!);
    },
  };
}

/** `count` indices below `length`: one random order after another. */
function draws(length: number, count: number, rng: Rng): number[] {
  const drawn: number[] = [];
  for (let round = 0; drawn.length < count; round++) {
    const order = rng.fork(`round-${round}`).shuffled(indices(length));
    for (const index of order.slice(0, count - drawn.length)) drawn.push(index);
  }
  return drawn;
}

function checkParts(parts: readonly MixPart<unknown>[], length: number): void {
  if (!Number.isInteger(length) || length < 0) {
    throw new VlmR1Error(
      "invalid-argument",
      `mix needs a length that is a whole number from 0, got ${length}.`,
    );
  }
  for (const [part, { dataset, weight }] of parts.entries()) {
    if (!Number.isFinite(weight) || weight < 0) {
      throw new VlmR1Error(
        "invalid-argument",
        `mix: the weight of part ${part} must be a finite number from 0, got ${weight}.`,
      );
    }
    if (weight > 0 && dataset.length === 0 && length > 0) {
      throw new VlmR1Error(
        "invalid-argument",
        `mix: part ${part} has weight ${weight} and no samples. Leave it out or give it weight 0.`,
      );
    }
  }
  if (length > 0 && !parts.some(({ weight }) => weight > 0)) {
    throw new VlmR1Error("invalid-argument", "mix needs at least one part with a weight above 0.");
  }
}
