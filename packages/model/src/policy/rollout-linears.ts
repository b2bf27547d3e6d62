import type { Engine } from "@vlmr1/engine";
import type { Architecture, HostTensor } from "../family.ts";
import type { LinearsKeeper } from "../generation/generate.ts";
import { createKeptLinears, keptBytes, type KeptLinears } from "../generation/kept-linears.ts";
import { linearModulesByLayer } from "../lora/lora-config.ts";
import type { Prompt } from "../prompt-batch.ts";
import type { BatchSizes, PromptAnswers } from "./training-layout.ts";

/** What the linear layers of the decoder gave while the answers of the last rollout were written. */
export interface RolloutLinears extends LinearsKeeper {
  /** Says that the weights changed, so that nothing of it holds any more. */
  forget(): void;
  /** By module name, `[(T - 1) P G, width]`; null unless every answer is of the last rollout, to the same prompt. */
  of(groups: readonly PromptAnswers[], sizes: BatchSizes): Readonly<Record<string, HostTensor>> | null;
}

/**
 * The update repeats, over all tokens at once and with the same weights, the forward pass that decoding made token by token. What the
 * linear layers gave there is kept, so that the update computes only the rest: a third less.
 *
 * @param limit bytes that may be kept
 */
export function createRolloutLinears(
  engine: Engine,
  architecture: Architecture,
  limit: number,
): RolloutLinears {
  const layers = linearModulesByLayer(architecture);
  const isPossible = engine.device === "cpu" && !engine.describe().worker; // elsewhere, every step would be copied once more
  let memory: KeptLinears | undefined;
  let rows = new Map<readonly number[], { prompt: Prompt; row: number }>();
  const forget = (): void => {
    rows = new Map();
  };
  return {
    forget,
    reserve(count, steps) {
      forget();
      if (!isPossible || keptBytes(layers, count, steps) > limit) return undefined;
      if (memory?.rows !== count || memory.steps !== steps) memory = createKeptLinears(layers, count, steps);
      return memory;
    },
    filled(prompts, answers) {
      const count = answers.length / prompts.length;
      answers.forEach((ids, row) =>
        rows.set(ids, { prompt: prompts[Math.floor(row / count)] as Prompt, row }),
      );
    },
    of(groups, { prompts, group, length }) {
      const chosen = new Array<number>(prompts * group).fill(0);
      for (const [p, { prompt, answers }] of groups.entries()) {
        for (const [g, ids] of answers.entries()) {
          const known = rows.get(ids);
          if (known?.prompt !== prompt) return null;
          chosen[p * group + g] = known.row;
        }
      }
      if (!memory || memory.steps < length - 1) return null;
      const { rows: blockRows, layers: kept } = memory;
      const entries = kept.flat().map(({ name, width, outputs }): [string, HostTensor] => {
        const data = stepsOf(outputs, blockRows, chosen, length - 1, width);
        return [name, { data, shape: [(length - 1) * chosen.length, width] }];
      });
      return Object.fromEntries(entries);
    },
  };
}

/** The first `steps` blocks of `[T B, width]`, with these rows of each: not copied where they are the rows as they lie. */
function stepsOf(
  data: Float32Array,
  blockRows: number,
  rows: readonly number[],
  steps: number,
  width: number,
): Float32Array {
  if (rows.length === blockRows && rows.every((row, i) => row === i))
    return data.subarray(0, steps * blockRows * width);
  const chosen = new Float32Array(steps * rows.length * width);
  for (let t = 0; t < steps; t++) {
    rows.forEach((row, i) => {
      const from = (t * blockRows + row) * width;
      chosen.set(data.subarray(from, from + width), (t * rows.length + i) * width);
    });
  }
  return chosen;
}
