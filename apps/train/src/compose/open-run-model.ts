import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createRng, VlmR1Error } from "@vlmr1/core";
import type { Engine } from "@vlmr1/engine";
import type { Model } from "@vlmr1/model";
import type { RunConfig } from "../config/run-config.ts";
import { withModel } from "../model/open-model.ts";

/** The warm start of `nano` that ships with the app: made by `vlmr1 demo --from-scratch`. */
export const shippedNano = fileURLToPath(new URL("../../assets/nano", import.meta.url));

/** What names the model of a run. */
export type RunModel = Pick<RunConfig, "model" | "adapter" | "device" | "threads" | "seed">;

/** Opens the model of a run (a folder, or `nano` for the built-in one), does the work, and releases everything. */
export async function withRunModel<Result>(
  config: RunModel,
  work: (model: Model, engine: Engine) => Promise<Result>,
): Promise<Result> {
  const { model, device, threads, seed, adapter } = config;
  if (model !== "nano") return withModel(config, work);
  if (existsSync(shippedNano)) return withModel({ ...config, model: shippedNano }, work);
  if (adapter !== undefined)
    throw new VlmR1Error(
      "not-found",
      `${shippedNano} is missing: an adapter needs the weights it was trained on.`,
    );
  const [{ openEngine }, { createModel, nano }] = await Promise.all([
    import("@vlmr1/engine"),
    import("@vlmr1/model"),
  ]);
  const engine = await openEngine({ device, ...(threads !== undefined && { threads }) });
  try {
    const made = await createModel(nano(), { engine, rng: createRng(seed).fork("weights") });
    try {
      return await work(made, engine);
    } finally {
      await made.dispose();
    }
  } finally {
    await engine.dispose();
  }
}
