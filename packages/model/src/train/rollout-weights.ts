import { narrow } from "@vlmr1/engine";
import type { Model } from "../model.ts";
import { type DeviceTensors, readFloats } from "../network/tensors.ts";
import { storagePlan } from "../weights/precision.ts";
import type { TrainedWeights } from "./weights.ts";

/** The decoder's weights in few bits, from which completions for training are drawn. */
export interface RolloutWeights {
  /** Whether they are the model's own: then there is nothing else to draw other completions from at this speed. */
  readonly isBase: boolean;
  /** The weights as they are now; rounded again after `outdated`, where training changes what is rounded. */
  current(): Promise<{ readonly frozen: DeviceTensors; readonly trained: DeviceTensors }>;
  /** Says that the trained weights changed. */
  outdated(): void;
}

/** The precision in which the linear layers of a model's decoder are stored. */
export function storedPrecision({ architecture, parameters }: Model): "float32" | "int8" | "int4" {
  const layers = `${architecture.decoder.prefix}.layers.`;
  const stored = [...parameters.stored].find(([name]) => name.startsWith(layers));
  const precision = stored?.[1].precision;
  return precision === "int8" || precision === "int4" ? precision : "float32";
}

/** Rounds what is not stored in few bits already. Copies are made when they are first needed. */
export function createRolloutWeights(
  model: Model,
  { decoding }: TrainedWeights,
  precision: "int8" | "int4",
): RolloutWeights {
  const { engine, architecture, parameters } = model;
  const plan = storagePlan(architecture.tensors, precision);
  const round = async (tensors: DeviceTensors): Promise<DeviceTensors> => {
    const rounded: Record<string, DeviceTensors[string]> = {};
    for (const [name, tensor] of Object.entries(tensors)) {
      const wanted = plan.get(name);
      if (wanted === undefined || parameters.stored.has(name)) continue;
      rounded[name] = engine.tensor(narrow(await readFloats(tensor), tensor.shape, wanted));
    }
    return rounded;
  };
  let frozen: DeviceTensors | undefined;
  let trained: DeviceTensors | undefined;
  return {
    isBase: storedPrecision(model) !== "float32",
    async current() {
      frozen ??= await round(decoding.frozen);
      const changed = (trained ??= await round(decoding.trained));
      const others = Object.entries(decoding.trained).filter(([name]) => !(name in changed));
      return { frozen: { ...decoding.frozen, ...frozen, ...changed }, trained: Object.fromEntries(others) };
    },
    outdated() {
      for (const tensor of Object.values(trained ?? {})) tensor.dispose();
      trained = undefined;
    },
  };
}
