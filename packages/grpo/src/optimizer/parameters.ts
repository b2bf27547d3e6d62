import { matchesPattern, VlmR1Error } from "@vlmr1/core";
import { z } from "zod";
import type { ParameterLayout } from "@vlmr1/policy";

/** Options of single parameters, by patterns of their names. */
export const ParameterOptions = z.strictObject({
  rates: z
    .record(z.string(), z.number().min(0))
    .default({})
    .describe(
      "Learning-rate multipliers by name pattern (`*` is any text); the last pattern that matches counts. 0 freezes.",
    ),
  noDecay: z
    .array(z.string())
    .default([])
    .describe("Name patterns of parameters that weight decay leaves alone."),
});
export type ParameterOptions = z.output<typeof ParameterOptions>;

/**
 * The per-element constants that these options need: `rates` (multipliers) and `decays` (0 or 1), each [N], each only when it is not
 * 1 everywhere. Throws `invalid-argument` when a pattern matches no parameter: it is a typing mistake that would otherwise do nothing.
 */
export function parameterConstants(
  layout: ParameterLayout,
  options: ParameterOptions,
): Record<string, Float32Array> {
  const patterns = Object.entries(options.rates);
  for (const pattern of [...Object.keys(options.rates), ...options.noDecay]) {
    if (!layout.spans.some(({ path }) => matchesPattern(path, pattern))) {
      const known = layout.spans.slice(0, 8).map(({ path }) => path);
      throw new VlmR1Error(
        "invalid-argument",
        `The pattern ${JSON.stringify(pattern)} matches none of the ${layout.spans.length} trained parameters ` +
          `(${known.join(", ")}${layout.spans.length > 8 ? ", …" : ""}).`,
      );
    }
  }
  const rates = perSpan(
    layout,
    (path) => patterns.findLast(([pattern]) => matchesPattern(path, pattern))?.[1] ?? 1,
  );
  const decays = perSpan(layout, (path) =>
    options.noDecay.some((pattern) => matchesPattern(path, pattern)) ? 0 : 1,
  );
  return { ...(rates && { rates }), ...(decays && { decays }) };
}

function perSpan(layout: ParameterLayout, value: (path: string) => number): Float32Array | undefined {
  const values = layout.spans.map(({ path }) => value(path));
  if (values.every((one) => one === 1)) return undefined;
  const result = new Float32Array(layout.size).fill(1);
  layout.spans.forEach(({ offset, size }, i) => result.fill(values[i] as number, offset, offset + size));
  return result;
}
