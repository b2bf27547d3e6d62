import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DeviceTensor } from "@vlmr1/engine";
import type { ModelFiles } from "./weights/documents.ts";
import type { Adapter } from "./lora/adapter.ts";
import { saveAdapter } from "./lora/peft.ts";
import type { Model, SaveOptions } from "./model.ts";
import { readFloats } from "./network/tensors.ts";
import { saveWeights } from "./weights/checkpoint.ts";

/** Writes the adapter of a model as PEFT does. */
async function saveAdapterOf(adapter: Adapter, directory: string, { dtype }: SaveOptions): Promise<void> {
  const tensors = [];
  for (const { name, shape } of adapter.group.specs) {
    tensors.push({ name, shape, data: await readFloats(adapter.group.views[name] as DeviceTensor) });
  }
  await saveAdapter(directory, adapter.config, tensors, dtype ? { dtype } : {});
}

/**
 * Writes what training changed: the adapter alone when the model has one (`adapterOnly: false` writes the base model too), else a
 * checkpoint folder: the documents as they were read, the weights under the names that transformers uses now.
 */
export async function saveModel(
  model: Model,
  files: ModelFiles,
  directory: string,
  options: SaveOptions,
): Promise<void> {
  const { adapter } = model;
  if (adapter) await saveAdapterOf(adapter, directory, options);
  if (options.adapterOnly ?? adapter !== undefined) return;
  await mkdir(directory, { recursive: true });
  const documents: readonly (readonly [string, unknown])[] = [
    ["config.json", files.config],
    ["generation_config.json", files.generationConfig],
    ["preprocessor_config.json", files.preprocessorConfig],
    ["processor_config.json", files.processorConfig],
    ["tokenizer.json", files.tokenizer],
    ["tokenizer_config.json", files.tokenizerConfig],
  ];
  for (const [name, document] of documents) {
    if (document !== undefined)
      await writeFile(join(directory, name), `${JSON.stringify(document, null, 2)}\n`);
  }
  if (files.chatTemplate !== undefined)
    await writeFile(join(directory, "chat_template.jinja"), files.chatTemplate);
  const tensors = model.architecture.tensors.map(({ name, shape }) => ({
    name,
    shape,
    data: () => readFloats(model.parameters.get(name)),
  }));
  await saveWeights(directory, tensors, options.dtype ? { dtype: options.dtype } : {});
}
