import { existsSync } from "node:fs";
import { VlmR1Error, type FrameOf } from "@vlmr1/core";
import type { Engine } from "@vlmr1/engine";
import { loadModel, type Model } from "@vlmr1/model";
import type { RunConfig } from "../config/run-config.ts";
import { localPath } from "../hub/named.ts";
import { shippedNano } from "../program.ts";
import { openDevice, weightPrecision, type DeviceOptions } from "./device.ts";

/** What names a model and the device it runs on. */
export interface ModelOptions extends DeviceOptions {
  /** Folder of a checkpoint, or `nano`. */
  readonly model: string;
  readonly adapter?: string | undefined;
  /** How the weights are stored; default `float32`. */
  readonly precision?: RunConfig["basePrecision"] | undefined;
}

/** Opens the device and the checkpoint, does the work, and releases both whatever happens. */
export async function withModel<Result>(
  { model: name, adapter, precision: asked, ...device }: ModelOptions,
  work: (model: Model, engine: Engine) => Promise<Result>,
): Promise<Result> {
  const folder = modelFolder(name);
  const precision = asked === undefined || asked === "float32" ? weightPrecision(device) : asked;
  const engine = await openDevice(device);
  try {
    const model = await loadModel(folder, {
      engine,
      precision,
      ...(adapter !== undefined && { adapter: localPath(adapter) }),
    });
    try {
      return await work(model, engine);
    } finally {
      await model.dispose();
    }
  } finally {
    await engine.dispose();
  }
}

/**
 * The folder of a checkpoint; `nano` is the one that ships with this program.
 *
 * @throws VlmR1Error `not-found` when the weights of `nano` are missing: random ones in their place would only look like a result.
 */
export function modelFolder(name: string): string {
  if (name !== "nano") return localPath(name);
  if (existsSync(shippedNano)) return shippedNano;
  throw new VlmR1Error(
    "not-found",
    `The weights of nano are missing: ${shippedNano} should hold them. Install vlmr1 again, or make them with vlmr1 demo --from-scratch.`,
  );
}

/** The frame in which a model writes boxes. `auto`: that of its family. */
export function modelFrame(model: Model, name: RunConfig["frame"] = "auto"): FrameOf {
  return model.boxFrame(name === "auto" ? undefined : name);
}
