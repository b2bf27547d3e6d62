import { createRng } from "@vlmr1/core";
import { drawScenes, nanoRecipe, sceneSplits, type SceneOptions } from "@vlmr1/data";
import { median, type Benchmark, type BenchRow } from "./row.ts";

const count = 3000;
const runs = 3;

const cases: readonly (readonly [name: string, options: Partial<SceneOptions>, count: number])[] = [
  ["64 px, every word needed", {}, count],
  ["64 px, the nano recipe", nanoRecipe, count],
  ["64 px, five or six objects", sceneSplits["more-objects"], count],
  ["64 px, two hops", sceneSplits["two-hop"], count / 10],
  ["224 px", { size: { width: 224, height: 224 } }, count / 5],
];

/**
 * Drawing of scenes with questions and answers, on one core. There is no peer: the published generators render with
 * Blender.
 */
export const scenes: Benchmark = {
  name: "scenes",
  about: "scenes drawn a second on one core, each with a question and its computed answer",
  async run(say) {
    const rows: BenchRow[] = [];
    for (const [name, options, length] of cases) {
      say(`  ${name}`);
      const rates: number[] = [];
      for (let i = 0; i < runs; i++) {
        const dataset = drawScenes({ rng: createRng(i), length, ...options });
        await dataset.get(0); // rasterises the icons
        const start = performance.now();
        for (let index = 0; index < length; index++) await dataset.get(index);
        rates.push(length / ((performance.now() - start) / 1000));
      }
      rows.push({ name: `scenes, ${name}`, ours: median(rates), unit: "1/s", note: "goal for 64 px: 1000" });
    }
    return rows;
  },
};
