import type { z } from "zod";
import { parseOptions } from "./options.ts";

/**
 * One kind of loss or of optimizer. Calling it makes one: `dapoLoss({ clipHigh: 0.28 })`. Whoever offers a choice (a command line, a
 * configuration file, a page of documentation) reads what there is from `variant` and `options`, and asks for no list of its own.
 */
export interface Variant<Name extends string, Schema extends z.ZodObject, Value> {
  /** @throws VlmR1Error `invalid-argument` for options that the schema refuses. */
  (options?: z.input<Schema>): Value;
  /** Its name in configurations: `dapo`, `dr-grpo`, `adamw`. */
  readonly variant: Name;
  /** What it can be told; every member has a default or may be absent, and a description. */
  readonly options: Schema;
}

/** Makes a variant of a function of complete options. `kind` and `name` begin the message about wrong ones. */
export function defineVariant<const Name extends string, Schema extends z.ZodObject, Value>(
  name: Name,
  schema: Schema,
  kind: "loss" | "optimizer",
  create: (options: z.output<Schema>) => Value,
): Variant<Name, Schema, Value> {
  const construct = (options: z.input<Schema> = {} as z.input<Schema>): Value =>
    create(parseOptions(schema, options, `The configuration of the ${kind} ${name}`));
  return Object.assign(construct, { variant: name, options: schema });
}

/** Variants by name, in the order of the alphabet, from a module that exports nothing else. */
export function byName<Module extends Readonly<Record<string, Variant<string, z.ZodObject, unknown>>>>(
  module: Module,
): { readonly [Key in keyof Module as Module[Key]["variant"]]: Module[Key] } {
  const entries = Object.values(module).map((variant) => [variant.variant, variant] as const);
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1))) as ReturnType<
    typeof byName<Module>
  >;
}
