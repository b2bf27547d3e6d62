import { VlmR1Error } from "@vlmr1/core";
import { batchFeatures } from "./features-for-batch.ts";
import type { GeneratingModel } from "./generation/generate.ts";
import { disposeTree, readFloats, withUploaded } from "./host-tree.ts";
import { finalNorm, headScope, type TokenInputs } from "./language-model.ts";
import { logits } from "./layers/head.ts";
import type { AdapterScaling } from "./layers/scope.ts";
import type { LogitTable } from "./model.ts";
import { modelScope, promptPass, type FeatureTensors } from "./passes.ts";
import { promptInputs, type Prompt } from "./prompt-batch.ts";
import type { Tensors } from "./family.ts";
import type * as tf from "@tensorflow/tfjs";

/** A prompt with tokens after it; these stand at the positions of an answer. */
export function continuePrompt(prompt: Prompt, continuation: readonly number[]): Prompt {
  const grow = (axis: Int32Array): Int32Array =>
    Int32Array.from([...axis, ...continuation.map((_, i) => prompt.positions.next + i)]);
  const [times, rows, columns] = prompt.positions.axes;
  const next = prompt.positions.next + continuation.length;
  return {
    ids: [...prompt.ids, ...continuation],
    images: prompt.images,
    positions: { axes: [grow(times), grow(rows), grow(columns)], next },
  };
}

/** Logits of every position, in one pass without a cache: the plain way, for inspection and tests. */
export async function computeLogits(
  model: GeneratingModel,
  adapters: AdapterScaling | undefined,
  prompt: Prompt,
  continuation: readonly number[],
): Promise<LogitTable> {
  const { engine, architecture, decoder } = model;
  const whole = continuePrompt(prompt, continuation);
  const slots = whole.ids.length;
  if (slots > decoder.contextLength) {
    throw new VlmR1Error(
      "limit",
      `The prompt has ${slots} tokens; the context of the model has ${decoder.contextLength}.`,
    );
  }
  const config = { architecture, adapters };
  const program = engine.compile(
    (frozen: Tensors, trained: Tensors, inputs: TokenInputs, images: FeatureTensors | null): tf.Tensor2D => {
      const root = modelScope(config, [frozen, trained]);
      const { hidden } = promptPass(root, config, inputs, images ?? undefined, false);
      return logits(headScope(root, decoder), finalNorm(root, decoder, hidden));
    },
    { name: "all logits" },
  );
  const host = {
    inputs: promptInputs(decoder, [whole], slots),
    images: await batchFeatures(architecture, model.encoder, [whole], slots),
  };
  const table = await withUploaded(engine, host, ({ inputs, images }) =>
    program(model.frozen, model.trained, inputs, images),
  );
  const data = Float32Array.from(await readFloats(table));
  disposeTree(table);
  await program.release();
  return { data, shape: [slots, decoder.vocabularySize] };
}
