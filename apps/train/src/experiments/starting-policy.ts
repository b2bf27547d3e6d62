import { existsSync } from "node:fs";
import { createRng } from "@vlmr1/core";
import type { Engine } from "@vlmr1/engine";
import { createModel, createPolicy, loadModel, nano, type Policy } from "@vlmr1/model";
import { shippedNano } from "../compose/open-run-model.ts";

/** Where every arm of an experiment begins. */
export interface StartingPoint {
  /** Folder of the checkpoint; absent: the warm start that ships with the app, or random weights where it is missing. */
  readonly model?: string;
}

/** Opens a fresh copy of the starting point, trained as the demo trains it: the decoder, with its first weights as reference. */
export async function withStart<Result>(
  engine: Engine,
  { model: folder }: StartingPoint,
  work: (policy: Policy) => Promise<Result>,
): Promise<Result> {
  const path = folder ?? (existsSync(shippedNano) ? shippedNano : undefined);
  const model =
    path === undefined
      ? await createModel(nano(), { engine, rng: createRng(0).fork("weights") })
      : await loadModel(path, { engine });
  try {
    return await work(await createPolicy(model, { train: "language" }));
  } finally {
    await model.dispose();
  }
}
