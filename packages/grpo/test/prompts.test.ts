import { createRng } from "@vlmr1/core";
import { describe, expect, test } from "vitest";
import { initialProgress, type Progress } from "../src/run/report.ts";
import { createPromptChooser } from "../src/rollout/prompts.ts";

const rng = createRng(4);

describe("createPromptChooser", () => {
  test("shuffled: every prompt once an epoch, another order each epoch, whatever the size of the draws", () => {
    const draw = (sizes: number[]) => {
      const chooser = createPromptChooser({ length: 7, order: "shuffled", rng });
      const progress = initialProgress();
      return sizes.flatMap((size) => chooser.draw(progress, size));
    };
    const indices = draw([3, 3, 3, 3, 2]);
    expect(indices.slice(0, 7).toSorted()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(indices.slice(7).toSorted()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(indices.slice(7)).not.toEqual(indices.slice(0, 7));
    expect(draw([1, 10, 3])).toEqual(indices);
  });

  test("continues from saved progress as if it had never stopped", () => {
    for (const order of ["shuffled", "sequential", "difficulty"] as const) {
      const chooser = () => createPromptChooser({ length: 9, order, rng });
      const [whole, part] = [chooser(), chooser()];
      const progress = initialProgress();
      const observe = (at: Progress, indices: number[]) => {
        for (const index of indices) whole.observe(at, index, [0, index / 9]);
        return indices;
      };
      const first = observe(progress, whole.draw(progress, 4));
      const saved = JSON.parse(JSON.stringify(progress)) as Progress;
      expect(first).toHaveLength(4);
      expect(part.draw(saved, 4)).toEqual(whole.draw(progress, 4));
    }
  });

  test("difficulty: tries what it has not seen, then prefers prompts whose answers differ, and forgets none", () => {
    const chooser = createPromptChooser({ length: 10, order: "difficulty", rng });
    const progress = initialProgress();
    const counts = Array.from({ length: 10 }, () => 0);
    for (let step = 0; step < 600; step++) {
      for (const index of chooser.draw(progress, 2)) {
        counts[index] = (counts[index] as number) + 1;
        chooser.observe(progress, index, index < 3 ? [0, 1, 0, 1] : [1, 1, 1, 1]);
      }
    }
    const [hard, easy] = [counts.slice(0, 3), counts.slice(3)];
    expect(Math.min(...hard)).toBeGreaterThan(4 * Math.max(...easy));
    expect(Math.min(...easy)).toBeGreaterThan(10);
    expect(progress.prompts[0]?.visits).toBe(counts[0]);
  });

  test("draws no prompt twice in a step while others are left", () => {
    const chooser = createPromptChooser({ length: 5, order: "difficulty", rng });
    expect(new Set(chooser.draw(initialProgress(), 5)).size).toBe(5);
    expect(chooser.draw(initialProgress(), 12)).toHaveLength(12);
  });

  test("weights: frequency follows them", () => {
    const weight = (index: number) => [1, 3, 0][index] as number;
    const chooser = createPromptChooser({ length: 3, order: "shuffled", rng, weight });
    const progress = initialProgress();
    const counts = [0, 0, 0];
    for (let i = 0; i < 4000; i++)
      for (const index of chooser.draw(progress, 1)) counts[index] = (counts[index] as number) + 1;
    expect(counts[2]).toBe(0);
    expect((counts[1] as number) / (counts[0] as number)).toBeCloseTo(3, 0);
  });

  test("refuses weights that are negative, not finite, or all zero", () => {
    const draw = (weight: () => number) => () =>
      createPromptChooser({ length: 3, order: "shuffled", rng, weight }).draw(initialProgress(), 1);
    expect(draw(() => -1)).toThrow("The weight of prompt 0 at step 0 is -1");
    expect(draw(() => NaN)).toThrow("is NaN");
    expect(draw(() => 0)).toThrow("Every prompt has weight 0");
  });

  test("142 000 prompts cost milliseconds, not seconds, a step", () => {
    const chooser = createPromptChooser({ length: 142_000, order: "difficulty", rng });
    const progress = initialProgress();
    const begin = performance.now();
    for (let step = 0; step < 5; step++) chooser.draw(progress, 16);
    expect((performance.now() - begin) / 5).toBeLessThan(500);
  });
});
