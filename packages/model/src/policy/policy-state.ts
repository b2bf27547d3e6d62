import { VlmR1Error } from "@vlmr1/core";
import type { ParameterUpdater } from "./parameter-update.ts";
import type { PolicyState } from "@vlmr1/policy";
import { copyOf, type TrainedWeights } from "./trained-weights.ts";

const OPTIMIZER = "optimizer/";

/** Copies of all that training changes. */
export async function takeSnapshot(weights: TrainedWeights, updater: ParameterUpdater): Promise<PolicyState> {
  const state: Record<string, Float32Array> = { parameters: await copyOf(weights.group) };
  for (const [name, values] of Object.entries(await updater.optimizerState()))
    state[OPTIMIZER + name] = values;
  const reference = await weights.reference.moved();
  return reference ? { ...state, reference } : state;
}

/** Puts a snapshot back. Throws `VlmR1Error` (`invalid-data`) before anything changes when it is not of this policy. */
export async function restoreSnapshot(
  weights: TrainedWeights,
  updater: ParameterUpdater,
  state: PolicyState,
): Promise<void> {
  checkState(state, weights.group.flat.size);
  await weights.reference.beforeChange();
  weights.group.flat.write(state["parameters"] as Float32Array);
  if (state["reference"]) weights.reference.set(state["reference"]);
  const buffers = Object.entries(state).filter(([name]) => name.startsWith(OPTIMIZER));
  updater.setOptimizerState(
    Object.fromEntries(buffers.map(([name, values]) => [name.slice(OPTIMIZER.length), values])),
  );
  updater.discard();
  weights.updated();
}

function checkState(state: PolicyState, size: number): void {
  const isKnown = (name: string): boolean =>
    name === "parameters" || name === "reference" || name.startsWith(OPTIMIZER);
  if (!state["parameters"]) {
    throw new VlmR1Error("invalid-data", "The state has no parameters: it is not a snapshot of a policy.");
  }
  for (const [name, values] of Object.entries(state)) {
    if (isKnown(name) && values.length === size) continue;
    throw new VlmR1Error(
      "invalid-data",
      `The state has "${name}" with ${values.length} numbers; this policy trains ${size}. It is of another model or trained part.`,
    );
  }
}
