import { VlmR1Error } from "@vlmr1/core";
import { z } from "zod";
import { dimension, positive } from "./parse-config.ts";

/** Rotary settings inside `rope_scaling` (transformers 4) or `rope_parameters` (transformers 5). */
const ropeTable = z
  .looseObject({
    rope_type: z.string().nullish(),
    type: z.string().nullish(),
    rope_theta: positive.nullish(),
    factor: positive.nullish(),
    mrope_section: z.array(z.int().min(0)).length(3).nullish(),
  })
  .nullish();

/** The rotary fields of a text configuration, in any of the styles that releases of transformers wrote. */
export const ropeFields = z.looseObject({
  max_position_embeddings: dimension.nullish(),
  rope_theta: positive.nullish(),
  rope_scaling: ropeTable,
  rope_parameters: ropeTable,
});

/** Rotary settings with the styles resolved. */
export interface RopeConfig {
  readonly theta: number;
  /** Frequencies per axis (time, row, column); undefined when the file has none. */
  readonly sections: readonly number[] | undefined;
}

/** Types that leave every frequency as it is, at least up to `max_position_embeddings`, which is as far as prompts may go. */
const UNSCALED = new Set(["default", "mrope", "dynamic"]);

/**
 * Resolves the rotary fields: `rope_parameters`, then the flat `rope_theta`, then `rope_scaling`, then the default of the class.
 *
 * Throws `VlmR1Error` (`unsupported`) for a scaling that changes frequencies.
 */
export function resolveRope(fields: z.output<typeof ropeFields>, defaultTheta: number): RopeConfig {
  const tables = [fields.rope_parameters, fields.rope_scaling];
  for (const table of tables) {
    const type = table?.rope_type ?? table?.type ?? "default";
    if (!UNSCALED.has(type)) {
      throw new VlmR1Error(
        "unsupported",
        `config.json: rotary scaling "${type}" is not supported (supported: ${[...UNSCALED].join(", ")}). ` +
          "Remove the scaling if prompts stay within the original context.",
      );
    }
  }
  return {
    theta:
      fields.rope_parameters?.rope_theta ??
      fields.rope_theta ??
      fields.rope_scaling?.rope_theta ??
      defaultTheta,
    sections: tables.find((table) => table?.mrope_section)?.mrope_section ?? undefined,
  };
}
