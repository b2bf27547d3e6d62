import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DeviceTensor } from "@vlmr1/engine";
import { readFloats } from "./host-tree.ts";
import type { Adapter } from "./lora/adapter.ts";
import { saveAdapter } from "./lora/peft-files.ts";
import type { Model, SaveOptions } from "./model.ts";
import type { ModelFiles } from "./model-files.ts";
import { saveWeights } from "./safetensors/save-checkpoint.ts";

/** Writes the adapter of a model as PEFT does. */
async function saveAdapterOf(adapter: Adapter, directory: string, { dtype }: SaveOptions): Promise<void> {
  const tensors = model.architecture.tensors.map(({ name, shape }) => ({
    name,
    shape,
    data: () => readFloats(model.parameters.get(name)),
  }));
  await saveWeights(directory, tensors, options.dtype ? { dtype: options.dtype } : {});
}
