import { VlmR1Error } from "@vlmr1/core";
import type { Family } from "./family.ts";
import { idefics3 } from "./idefics3.ts";
import { internVl } from "./internvl.ts";
import { qwen25Vl } from "./qwen2-5-vl.ts";
import { qwen2Vl } from "./qwen2-vl.ts";
import { qwen3Vl } from "./qwen3-vl.ts";
import { llavaOnevision } from "./llava-onevision.ts";
import { llama, qwen2 } from "./text-decoders.ts";

/** Every family that `loadModel` reads; a new one is one more entry. */
export const knownFamilies: readonly Family[] = [
  qwen3Vl,
  qwen25Vl,
  qwen2Vl,
  idefics3,
  internVl,
  llavaOnevision,
  llama,
  qwen2,
];

/**
 * The family of a parsed `config.json`.
 *
 * @throws VlmR1Error `invalid-data` without a model type, `unsupported` for one that no family reads.
 */
export function familyOf(config: unknown, families: readonly Family[]): Family {
  const modelType = (config as { model_type?: unknown } | null | undefined)?.model_type;
  if (typeof modelType !== "string") {
    throw new VlmR1Error(
      "invalid-data",
      "config.json has no model_type, so the family of the model is unknown.",
    );
  }
  const found = families.find((family) => family.modelTypes.includes(modelType));
  if (found) return found;
  const known = families.flatMap((family) => family.modelTypes).join(", ");
  throw new VlmR1Error("unsupported", `config.json: model_type is "${modelType}"; supported are ${known}.`);
}
