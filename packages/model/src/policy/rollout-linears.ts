import type { DecoderConfig, HostTensor } from "../family.ts";
import { createKeptLinears, keptBytes, type KeptLinears } from "../generation/kept-linears.ts";
import type { LinearsKeeper } from "../generation/generate.ts";
import { readFloats } from "../host-tree.ts";
import { linearModules } from "../linear-modules.ts";
import type { Engine } from "@vlmr1/engine";
import type { DeviceTensors } from "../parameters.ts";
import type { BatchSizes, PromptAnswers } from "./training-layout.ts";

/** What the linear layers of the decoder gave while the answers of the last rollout were written. */
export interface RolloutLinears extends LinearsKeeper {
  /** Says that the weights changed, so that nothing of it holds any more. */
  forget(): void;
  /** By module name, `[(T - 1) P G, width]`; null unless every answer of the batch is of the last rollout. */
  of(groups: readonly PromptAnswers[], sizes: BatchSizes): Promise<Record<string, HostTensor> | null>;
}

/**
 * The update repeats, over all tokens at once and with the same weights, the forward pass that decoding made token by token. What the
 * linear layers gave there is kept, so that the update computes only the rest: a third less.
 *
 * @param limit bytes that may be kept
 */
export function createRolloutLinears(
  engine: Engine,
  decoder: DecoderConfig,
  decoding: { readonly frozen: DeviceTensors; readonly trained: DeviceTensors },
  limit: number,
): RolloutLinears {
  const linears = linearModules(decoder, { ...decoding.frozen, ...decoding.trained });
  const isPossible = engine.device === "cpu" && !engine.describe().worker; // elsewhere, keeping would mean copying
  let memory: KeptLinears | undefined;
  let rowOf = new Map<readonly number[], number>();
  return {
    reserve(rows, steps) {
      rowOf = new Map();
      if (!isPossible || keptBytes(linears, rows, steps) > limit) return undefined;
      if (memory?.rows !== rows || memory.steps !== steps)
        memory = createKeptLinears(engine, linears, rows, steps);
      return memory;
    },
    filled(_, answers) {
      rowOf = new Map(answers.map((ids, row) => [ids, row]));
    },
    forget() {
      rowOf = new Map();
    },
    async of(groups, { prompts, group, length }) {
      const rows = new Array<number>(prompts * group).fill(0);
      for (const [p, { answers }] of groups.entries()) {
        for (const [g, ids] of answers.entries()) {
          const row = rowOf.get(ids);
          if (row === undefined) return null;
          rows[p * group + g] = row;
        }
      }
      if (!memory || memory.steps < length - 1) return null;
      const result: Record<string, HostTensor> = {};
      for (const { name, width, outputs } of memory.layers.flat()) {
        const data = stepsOf(await readFloats(outputs), memory.rows, rows, length - 1, width);
        result[name] = { data, shape: [(length - 1) * rows.length, width] };
      }
      return result;
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
