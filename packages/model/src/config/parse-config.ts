import { VlmR1Error } from "@vlmr1/core";
import { z } from "zod";

/**
 * Validates `value` with `schema`. `file` names the document in the error.
 *
 * Throws `VlmR1Error` (`invalid-data`) that names the first field that does not fit and what was found there.
 */
export function parseConfig<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  file: string,
): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = issue?.path ?? [];
  const field = path.length === 0 ? "the document" : path.join(".");
  const found = JSON.stringify(path.reduce<unknown>(step, value))?.slice(0, 80) ?? "nothing";
  throw new VlmR1Error(
    "invalid-data",
    `${file}: ${field} is ${found}: ${issue?.message ?? "not understood"}. Compare it with the original checkpoint's file.`,
  );
}

function step(value: unknown, key: PropertyKey): unknown {
  return typeof value === "object" && value !== null
    ? (value as Record<PropertyKey, unknown>)[key]
    : undefined;
}

/** A width, a number of heads, a number of rows. */
export const dimension = z
  .int()
  .min(1)
  .max(1 << 24);

/** A number of layers; the bound keeps a damaged file from making an endless list of tensors. */
export const layerCount = z.int().min(1).max(1024);

/** An epsilon or a rotary base. */
export const positive = z.number().positive().finite();

/** A token id. */
export const tokenId = z.int().min(0);
