import { z } from "zod";

/** One option of a configuration: a leaf of its schema. */
export interface SchemaLeaf {
  /** Where it is in a configuration file: `["grpo", "groupSize"]`. */
  readonly path: readonly string[];
  /** `--group-size`. */
  readonly flag: string;
  readonly kind: "boolean" | "number" | "string" | "list" | "record";
  readonly description: string;
  readonly fallback: unknown;
  /** The values it may have, when they are few. */
  readonly choices: readonly string[];
}

interface JsonSchema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly JsonSchema[];
}

/** Every option of a configuration schema: flags, help and the documentation table all come from this list. */
export function schemaLeaves(schema: z.ZodType): readonly SchemaLeaf[] {
  return leavesOf(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as JsonSchema, []);
}

function leavesOf(schema: JsonSchema, path: readonly string[]): SchemaLeaf[] {
  if (schema.properties) {
    return Object.entries(schema.properties).flatMap(([name, property]) =>
      leavesOf(property, [...path, name]),
    );
  }
  const name = path.at(-1) as string;
  return [
    {
      path,
      flag: `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
      kind: kindOf(schema),
      description: schema.description ?? "",
      fallback: schema.default,
      choices: choicesOf(schema),
    },
  ];
}

function kindOf(schema: JsonSchema): SchemaLeaf["kind"] {
  const types = [schema.type, ...(schema.anyOf ?? []).map(({ type }) => type)];
  if (types.includes("array")) return "list";
  if (types.includes("string") || schema.enum) return "string";
  if (types.includes("object")) return "record";
  if (types.includes("number") || types.includes("integer")) return "number";
  return types.includes("boolean") ? "boolean" : "string";
}

function choicesOf(schema: JsonSchema): string[] {
  const own = schema.enum ?? (schema.const === undefined ? [] : [schema.const]);
  return [...own.map(String), ...(schema.anyOf ?? []).flatMap(choicesOf)];
}
