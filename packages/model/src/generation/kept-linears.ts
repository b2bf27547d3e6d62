import type { DeviceTensor } from "@vlmr1/engine";
import { readFloats } from "../host-tree.ts";
import type { LinearModule } from "../lora/lora-config.ts";

/** What the linear layers of the decoder gave for every token that a batch of B answers was fed, in T steps. */
export interface KeptLinears {
  readonly rows: number;
  readonly steps: number;
  /** By decoder layer. */
  readonly layers: readonly (readonly KeptLinear[])[];
}

export interface KeptLinear {
  readonly name: string;
  /** Numbers for each token. */
  readonly width: number;
  /** `[T B, width]`: a step is one block, written at once. */
  readonly outputs: Float32Array;
}

/** Bytes of what `layers` give for B rows in T steps. */
export function keptBytes(layers: readonly (readonly LinearModule[])[], rows: number, steps: number): number {
  return layers.flat().reduce((sum, { outputs }) => sum + outputs, 0) * rows * steps * 4;
}

/** Memory for B rows and T steps. */
export function createKeptLinears(
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
