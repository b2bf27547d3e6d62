import { type Engine, narrow, narrowingError, type DeviceTensor, type Precision } from "@vlmr1/engine";
import { linearModules } from "../network/linear.ts";
import type { TensorSpec } from "../network/tensors.ts";

/** How a frozen weight is stored, and what that changed. */
export interface StoredWeight {
  readonly precision: Exclude<Precision, "float32">;
  /** Root mean square of the changes over that of the weights. */
  readonly relative: number;
  /** Largest |change|. */
  readonly largest: number;
}

/**
 * How the parameters of a model are stored at a precision, by name; what is not listed stays in float32. Linear layers get it, on both
 * sides of the model. With `int4`, the output head and the embedding, which is the head in many models, have 8 bits: a token's
 * probability depends on them directly (llama.cpp does the same). Norms, biases and position tables are small and stay as they are.
 */
export function storagePlan(
  specs: readonly TensorSpec[],
  precision: Precision,
): ReadonlyMap<string, Exclude<Precision, "float32">> {
  if (precision === "float32") return new Map();
  if (precision === "bfloat16") return new Map(specs.map(({ name }) => [name, precision]));
  const plan = new Map<string, "int8" | "int4">();
  for (const { name, shape } of specs) {
    if (shape.length === 2 && /(?:^|\.)(?:embed_tokens|lm_head)\.weight$/.test(name)) plan.set(name, "int8");
  }
  for (const { name } of linearModules(specs)) {
    const weight = `${name}.weight`;
    if (!plan.has(weight) && specs.some((spec) => spec.name === weight)) plan.set(weight, precision);
  }
  return plan;
}

/** Stores one weight, and says what that changed. */
export function storeWeight(
  engine: Engine,
  data: Float32Array,
  { shape }: TensorSpec,
  precision: Exclude<Precision, "float32">,
): { readonly tensor: DeviceTensor; readonly stored: StoredWeight } {
  const elements = narrow(data, shape, precision);
  const { relative, largest } = narrowingError(elements, data);
  return { tensor: engine.tensor(elements), stored: { precision, relative, largest } };
}
