import type { Engine, EngineOptions } from "@vlmr1/engine";
import type { Model } from "@vlmr1/model";

/** What names a model and the device it runs on. */
export interface ModelOptions {
  readonly model: string;
  readonly adapter?: string | undefined;
  readonly device?: EngineOptions["device"] | undefined;
  readonly threads?: number | undefined;
}

/** Opens the device and the checkpoint, does the work, and releases both whatever happens. */
export async function withModel<Result>(
  options: ModelOptions,
  work: (model: Model, engine: Engine) => Promise<Result>,
): Promise<Result> {
  const [{ openEngine }, { loadModel }] = await Promise.all([
    import("@vlmr1/engine"),
    import("@vlmr1/model"),
  ]);
  const { device = "cpu", threads, adapter } = options;
  const engine = await openEngine({ device, ...(threads !== undefined && { threads }) });
  try {
    const model = await loadModel(options.model, { engine, ...(adapter !== undefined && { adapter }) });
    try {
      return await work(model, engine);
    } finally {
      await model.dispose();
    }
  } finally {
    await engine.dispose();
  }
}
