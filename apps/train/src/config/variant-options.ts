import type { Variant } from "@vlmr1/grpo";
import { z } from "zod";

/** Losses or optimizers by name. */
type Variants = Readonly<Record<string, Variant<string, z.ZodObject, unknown>>>;

/**
 * One record of every option that any variant has, all of them absent unless they are given: so that a new loss or optimizer is on the
 * command line, in the help and in docs/configuration.md without a word here. Which of them the chosen variant takes, and in which range,
 * is for {@link checkVariant} to say.
 */
export function variantOptions(variants: Variants): z.ZodObject<Record<string, z.ZodOptional>> {
  const names = new Set(Object.values(variants).flatMap(({ options }) => Object.keys(options.shape)));
  const members = [...names].map((name) => [name, memberOf(name, variants)] as const);
  return z.strictObject(Object.fromEntries(members));
}

/** Adds what the chosen variant's own schema finds wrong with its options, below `path`. */
export function checkVariant(
  variants: Variants,
  chosen: string,
  options: object,
  {
    path,
    kind,
    context,
  }: { readonly path: string; readonly kind: string; readonly context: z.RefinementCtx },
): void {
  const schema = variants[chosen]?.options;
  const parsed = schema?.safeParse(given(options));
  for (const issue of parsed?.error?.issues ?? []) {
    if (issue.code !== "unrecognized_keys") {
      context.addIssue({ ...issue, path: [path, ...issue.path] } as Parameters<typeof context.addIssue>[0]);
      continue;
    }
    for (const key of issue.keys) {
      const having = namesWith(key, variants).join(", ");
      const message = `The ${kind} ${chosen} has no such option; it is one of ${having}.`;
      context.addIssue({ code: "custom", path: [path, key], message });
    }
  }
}

/** The members that have a value. */
export function given(options: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function memberOf(name: string, variants: Variants): z.ZodOptional {
  const having = namesWith(name, variants);
  const schemas = having.map((variant) => variants[variant]?.options.shape[name] as z.ZodType);
  const bare = schemas.map(withoutDefault);
  const different = bare.filter(
    (schema, index) => bare.findIndex((other) => sameValues(schema, other)) === index,
  );
  const merged = different.length === 1 ? (different[0] as z.ZodType) : z.union(different);
  const about = schemas[0]?.description ?? "";
  const only = having.length === Object.keys(variants).length ? "" : `${having.join(", ")}: `;
  const sentence = (only === "" ? about : lowerFirst(about)).replace(/\.$/, "");
  const described = `${only}${sentence}${defaultsText(having, schemas)}.`;
  return merged.optional().describe(described);
}

function namesWith(option: string, variants: Variants): string[] {
  return Object.keys(variants).filter((name) => option in (variants[name]?.options.shape ?? {}));
}

/** ` (default: 0.2; gspo 0.0003)`: what most variants have, then those that differ. */
function defaultsText(names: readonly string[], schemas: readonly z.ZodType[]): string {
  const texts = schemas.map((schema) => {
    const value = schema instanceof z.ZodDefault ? schema.def.defaultValue : undefined;
    const isEmpty = value === undefined || ["[]", "{}"].includes(JSON.stringify(value));
    return isEmpty ? "none" : String(typeof value === "object" ? JSON.stringify(value) : value);
  });
  const count = (text: string): number => texts.filter((other) => other === text).length;
  const usual = texts.toSorted((a, b) => count(b) - count(a))[0] as string;
  const others = names.flatMap((name, i) => (texts[i] === usual ? [] : [`${name} ${texts[i]}`]));
  return usual === "none" && others.length === 0 ? "" : ` (default: ${[usual, ...others].join("; ")})`;
}

function withoutDefault(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodOptional)
    return withoutDefault(schema.def.innerType as z.ZodType);
  return schema;
}

/** Whether two schemas take the same values, whatever they say of them. */
function sameValues(a: z.ZodType, b: z.ZodType): boolean {
  const values = (schema: z.ZodType): string =>
    JSON.stringify({
      ...z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }),
      description: undefined,
    });
  return values(a) === values(b);
}

function lowerFirst(text: string): string {
  return /^[A-Z][a-z]* /.test(text) ? `${text.charAt(0).toLowerCase()}${text.slice(1)}` : text;
}
