import { VlmR1Error } from "@vlmr1/core";
import type { DeviceTensor } from "@vlmr1/engine";
import { readFloats } from "../host-tree.ts";
import type { Model } from "../model.ts";
import type { Adapter } from "./adapter.ts";
import type { AdaptedModule } from "./lora-config.ts";

/**
 * Adds the adapter of a model to its weights, `W + scaling B A`, and takes it off: the same answers at the price of the base model.
 * Returns the adapter, for `unmergeAdapter`. Undefined when the model has none.
 *
 * @throws VlmR1Error `unsupported` for an adapter on a head that is tied to the embedding.
 */
export async function mergeAdapter(model: Model): Promise<Adapter | undefined> {
  const { adapter } = model;
  if (!adapter) return undefined;
  if (model.architecture.decoder.tiedHead && adapter.modules.some(({ name }) => name === "lm_head")) {
    throw new VlmR1Error(
      "unsupported",
      "The adapter changes the output head, which is tied to the embedding: merged, it would change the embedding too. Keep the adapter apart, or leave lm_head out of its targets.",
    );
  }
  await addUpdates(model, adapter, 1);
  await model.useAdapter(undefined);
  return adapter;
}

/** Takes a merged adapter out of the weights (up to rounding) and puts it back on. */
export async function unmergeAdapter(model: Model, adapter: Adapter): Promise<void> {
  await addUpdates(model, adapter, -1);
  await model.useAdapter(adapter);
}

async function addUpdates(model: Model, adapter: Adapter, sign: 1 | -1): Promise<void> {
  const matrix = (name: string): Promise<Float32Array> =>
    readFloats(adapter.group.views[name] as DeviceTensor);
  for (const module of adapter.modules) {
    const weight = model.parameters.get(`${module.name}.weight`);
    const [a, b] = [
      await matrix(`${module.name}.lora_A.weight`),
      await matrix(`${module.name}.lora_B.weight`),
    ];
    weight.write(withUpdate(await readFloats(weight), a, b, module, sign));
  }
  model.parameters.touch();
}

/** W + sign scaling B A, computed row by row in float64. */
function withUpdate(
  weight: Float32Array,
  a: Float32Array,
  b: Float32Array,
  module: AdaptedModule,
  sign: 1 | -1,
): Float32Array {
  const { inputs, outputs, rank, scaling } = module;
  const result = new Float32Array(weight.length);
  const row = new Float64Array(inputs);
  for (let out = 0; out < outputs; out++) {
    row.fill(0);
    for (let r = 0; r < rank; r++) {
      const factor = sign * scaling * (b[out * rank + r] as number);
      const from = r * inputs;
      for (let i = 0; i < inputs; i++) row[i] = (row[i] as number) + factor * (a[from + i] as number);
    }
    for (let i = 0; i < inputs; i++)
      result[out * inputs + i] = (weight[out * inputs + i] as number) + (row[i] as number);
  }
  return result;
}
