import { VlmR1Error } from "@vlmr1/core";
import type { z } from "zod";

/**
 * Fills in defaults and checks ranges. `what` names the options in the message ("GRPO configuration").
 *
 * @throws VlmR1Error `invalid-argument` that lists every field that is wrong, with its value.
 */
export function parseOptions<Schema extends z.ZodType>(
  schema: Schema,
  options: z.input<Schema>,
  what: string,
): z.output<Schema> {
  const parsed = schema.safeParse(options);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => {
    const value = path.reduce<unknown>(
      (at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key],
      options,
    );
    const where = path.length === 0 ? "" : `${path.join(".")} (${JSON.stringify(value)}): `;
    return `  ${where}${message}`;
  });
  throw new VlmR1Error("invalid-argument", `${what} is not valid:\n${problems.join("\n")}`);
}
