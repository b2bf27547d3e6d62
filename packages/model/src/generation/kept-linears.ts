import type { DeviceTensor, Engine } from "@vlmr1/engine";
import { readFloats } from "../host-tree.ts";
import type { LinearModule } from "../linear-modules.ts";

/** What the linear layers of the decoder gave for every token that a batch of B answers was fed, in T steps. */
export interface KeptLinears {
  readonly rows: number;
  readonly steps: number;
  /** By decoder layer. */
  readonly layers: readonly (readonly KeptLinear[])[];
  /** Where a step leaves its own, by decoder layer: `[sum of B width]`. */
  readonly ofStep: readonly DeviceTensor[];
}

export interface KeptLinear extends LinearModule {
  /** `[T B, width]`: a step is one block, written at once. */
  readonly outputs: DeviceTensor;
}

/** Bytes of the outputs of `linears` for B rows and T steps. */
export function keptBytes(
  linears: readonly (readonly LinearModule[])[],
  rows: number,
  steps: number,
): number {
  return linears.flat().reduce((sum, { width }) => sum + width, 0) * rows * steps * 4;
}

/** Memory for B rows and T steps. */
export function createKeptLinears(
  engine: Engine,
  linears: readonly (readonly LinearModule[])[],
  rows: number,
  steps: number,
): KeptLinears {
  const layers = linears.map((modules) =>
    modules.map((module) => ({ ...module, outputs: engine.zeros([steps * rows, module.width]) })),
  );
  const ofStep = linears.map((modules) =>
    engine.zeros([modules.reduce((sum, { width }) => sum + width, 0) * rows]),
  );
  return { rows, steps, layers, ofStep };
}

/** Moves what step t left to its place. */
export async function keepStep({ rows, layers, ofStep }: KeptLinears, t: number): Promise<void> {
  for (const [i, modules] of layers.entries()) {
    const data = await readFloats(ofStep[i] as DeviceTensor);
    let at = 0;
    for (const { width, outputs } of modules) {
      outputs.write(data.subarray(at, (at += rows * width)), t * rows * width);
    }
  }
}

/** Zeros the steps from t on: what an earlier batch left there must not reach a gradient. */
export async function clearSteps({ rows, layers }: KeptLinears, t: number): Promise<void> {
  for (const { width, outputs } of layers.flat()) {
    const data = await readFloats(outputs);
    if (t * rows * width < data.length)
      outputs.write(new Float32Array(data.length - t * rows * width), t * rows * width);
  }
}
