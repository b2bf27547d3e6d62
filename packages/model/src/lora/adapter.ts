import type { Rng } from "@vlmr1/core";
import type { Engine } from "@vlmr1/engine";
import type { TensorSpec } from "../family.ts";
import type { AdapterScaling } from "../layers/scope.ts";
import { packParameters, sizeOf, type ParameterGroup } from "../parameters.ts";
import { adaptedModules, adapterTensors, type AdaptedModule, type LoraConfig } from "./lora-config.ts";

/** Low-rank updates of some linear layers, in one buffer. */
export interface Adapter {
  readonly config: LoraConfig;
  readonly modules: readonly AdaptedModule[];
  readonly group: ParameterGroup;
  /** Scaling of each adapted module; what the layers read. */
  readonly scaling: AdapterScaling;
}

/**
 * Allocates an adapter; `fill` writes each `lora_A.weight` and `lora_B.weight`. PEFT (https://github.com/huggingface/peft) computes
 * the same from the same numbers.
 */
export async function createAdapter(
  engine: Engine,
  specs: readonly TensorSpec[],
  config: LoraConfig,
  fill: (spec: TensorSpec, target: Float32Array) => Promise<void> | void,
): Promise<Adapter> {
  const modules = adaptedModules(specs, config);
  const tensors = adapterTensors(modules);
  const data = new Float32Array(tensors.reduce((sum, spec) => sum + sizeOf(spec), 0));
  let offset = 0;
  for (const spec of tensors) {
    await fill(spec, data.subarray(offset, offset + sizeOf(spec)));
    offset += sizeOf(spec);
  }
  return {
    config,
    modules,
    group: packParameters(engine, tensors, data),
    scaling: new Map(modules.map(({ name, scaling }) => [name, scaling])),
  };
}

/** PEFT's start: A uniform in +-1 / sqrt(in), B zero, so that the adapter changes nothing yet. */
export function freshAdapterWeights(rng: Rng): (spec: TensorSpec, target: Float32Array) => void {
  return (spec, target) => {
    if (!spec.name.endsWith(".lora_A.weight")) return;
    const stream = rng.fork(spec.name);
    const bound = (spec.shape[1] as number) ** -0.5;
    for (let i = 0; i < target.length; i++) target[i] = (2 * stream.uniform() - 1) * bound;
  };
}
