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
    low_freq_factor: positive.nullish(),
    high_freq_factor: positive.nullish(),
    original_max_position_embeddings: dimension.nullish(),
    mrope_section: z.array(z.int().min(0)).length(3).nullish(),
  })
  .nullish();

type RopeTable = NonNullable<z.output<typeof ropeTable>>;

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
  /** What the frequency of a given wavelength (in tokens) is multiplied by; undefined: nothing is scaled. */
  readonly scale: ((wavelength: number) => number) | undefined;
}

/**
 * Resolves the rotary fields: `rope_parameters`, then the flat `rope_theta`, then `rope_scaling`, then the default of
 * the class.
 *
 * Throws `VlmR1Error` (`unsupported`) for a kind of scaling that is not known.
 */
export function resolveRope(fields: z.output<typeof ropeFields>, defaultTheta: number): RopeConfig {
  const tables = [fields.rope_parameters, fields.rope_scaling].filter(
    (table) => table !== undefined && table !== null,
  );
  return {
    theta:
      fields.rope_parameters?.rope_theta ??
      fields.rope_theta ??
      fields.rope_scaling?.rope_theta ??
      defaultTheta,
    sections: tables.find((table) => table.mrope_section)?.mrope_section ?? undefined,
    scale: tables
      .map((table) => scaling(table, fields.max_position_embeddings ?? undefined))
      .find((scale) => scale),
  };
}

function scaling(table: RopeTable, context: number | undefined): RopeConfig["scale"] {
  const type = table.rope_type ?? table.type ?? "default";
  const { factor, low_freq_factor: low, high_freq_factor: high } = table;
  switch (type) {
    case "default":
    case "mrope":
    case "dynamic": // Without effect up to max_position_embeddings, which is as far as prompts may go.
      return undefined;
    case "linear":
      return () => 1 / need(factor, "factor");
    case "llama3": {
      const original = need(
        table.original_max_position_embeddings ?? context,
        "original_max_position_embeddings",
      );
      return llama3Scale(
        need(factor, "factor"),
        need(low, "low_freq_factor"),
        need(high, "high_freq_factor"),
        original,
      );
    }
    default:
      throw new VlmR1Error(
        "unsupported",
        `config.json: rotary scaling "${type}" is not supported (supported: default, mrope, dynamic, linear, llama3). ` +
          "Remove the scaling if prompts stay within the original context.",
      );
  }
}

/**
 * Llama 3.1: long wavelengths are stretched by `factor`, short ones kept, with a ramp between.
 * https://arxiv.org/abs/2407.21783
 */
function llama3Scale(
  factor: number,
  low: number,
  high: number,
  original: number,
): (wavelength: number) => number {
  return (wavelength) => {
    if (wavelength > original / low) return 1 / factor;
    if (wavelength < original / high) return 1;
    const smooth = (original / wavelength - low) / (high - low);
    return (1 - smooth) / factor + smooth;
  };
}

function need(value: number | null | undefined, field: string): number {
  if (value !== undefined && value !== null) return value;
  throw new VlmR1Error(
    "invalid-data",
    `config.json: the rotary scaling has no ${field}. Compare it with the original checkpoint's file.`,
  );
}
