import type { DeviceTensor, Engine } from "@vlmr1/engine";
import type { Architecture } from "../network/architecture.ts";
import type { BatchSizes, Prompt, PromptCompletions } from "../network/inputs.ts";
import type { LinearModule } from "../network/linear.ts";
import { linearModulesByLayer } from "../network/passes.ts";
import { type HostTensor, readFloats } from "../network/tensors.ts";

/** What the linear layers of the decoder gave for every token that a batch of B completions was fed, in T steps. */
export interface KeptLinears {
  readonly rows: number;
  readonly steps: number;
  /** By decoder layer. */
  readonly layers: readonly (readonly KeptLinear[])[];
}

interface KeptLinear {
  readonly name: string;
  /** Numbers for each token. */
  readonly width: number;
  /** `[T B, width]`: a step is one block, written at once. */
  readonly outputs: Float32Array;
}

/** Bytes of what `layers` give for B rows in T steps. */
function keptBytes(layers: readonly (readonly LinearModule[])[], rows: number, steps: number): number {
  return layers.flat().reduce((sum, { outputs }) => sum + outputs, 0) * rows * steps * 4;
}

/** Memory for B rows and T steps. */
function createKeptLinears(
  layers: readonly (readonly LinearModule[])[],
  rows: number,
  steps: number,
): KeptLinears {
  const memory = layers.map((modules) =>
    modules.map(({ name, outputs: width }) => ({
      name,
      width,
      outputs: new Float32Array(steps * rows * width),
    })),
  );
  return { rows, steps, layers: memory };
}

/** Keeps what step t gave, per layer `[sum of B width]`. */
export async function keepStep(
  { rows, layers }: KeptLinears,
  t: number,
  given: readonly DeviceTensor[],
): Promise<void> {
  for (const [i, modules] of layers.entries()) {
    const data = await readFloats(given[i] as DeviceTensor);
    let at = 0;
    for (const { width, outputs } of modules)
      outputs.set(data.subarray(at, (at += rows * width)), t * rows * width);
  }
}

/** Zeros the steps from t on: what an earlier batch left there must not reach a gradient. */
export function clearSteps({ rows, layers }: KeptLinears, t: number): void {
  for (const { width, outputs } of layers.flat()) outputs.fill(0, t * rows * width);
}

/** Takes what the linear layers gave for the tokens of completions. */
export interface LinearsKeeper {
  /** Memory for B completions in T steps, if there may be any. */
  reserve(rows: number, steps: number): KeptLinears | undefined;
  /** The memory is filled: row b belongs to completion b, `count` completions to each prompt. */
  filled(prompts: readonly Prompt[], completions: readonly (readonly number[])[]): void;
}

/** What the linear layers of the decoder gave while the completions of the last rollout were written. */
export interface RolloutLinears extends LinearsKeeper {
  /** Says that the weights changed, so that nothing of it holds any more. */
  forget(): void;
  /** By module name, `[(T - 1) P G, width]`; null unless every completion is of the last rollout, to the same prompt. */
  of(groups: readonly PromptCompletions[], sizes: BatchSizes): Readonly<Record<string, HostTensor>> | null;
}

/**
 * The update repeats, over all tokens at once and with the same weights, the forward pass that decoding made token by token. What
 * the linear layers gave there is kept, so that the update computes only the rest: a third less.
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
    filled(prompts, completions) {
      const count = completions.length / prompts.length;
      completions.forEach((ids, row) =>
        rows.set(ids, { prompt: prompts[Math.floor(row / count)] as Prompt, row }),
      );
    },
    of(groups, { prompts, group, length }) {
      const chosen = new Array<number>(prompts * group).fill(0);
      for (const [p, { prompt, completions }] of groups.entries()) {
        for (const [g, ids] of completions.entries()) {
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
