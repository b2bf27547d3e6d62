import { readFileSync } from "node:fs";
import { VlmR1Error } from "@vlmr1/core";
import type { z } from "zod";
import { schemaLeaves, type SchemaLeaf } from "./schema-leaves.ts";

type Tree = { [key: string]: unknown };

/** What the command line gave: a file, flags by path, and `key=value` settings. */
export interface ConfigSources {
  /** Values that this command starts from, under everything the user says. */
  readonly preset?: Tree;
  readonly file?: string;
  readonly flags?: Readonly<Record<string, unknown>>;
  readonly settings?: readonly string[];
}

/**
 * Resolves a configuration: schema defaults < the command's preset < `--config` file < flags < `--set`.
 *
 * @throws VlmR1Error `invalid-argument` naming the key, its value and what is allowed; unknown keys are errors.
 */
export function readConfig<Schema extends z.ZodType>(
  schema: Schema,
  sources: ConfigSources,
): z.output<Schema> {
  const tree: Tree = structuredClone(sources.preset ?? {});
  if (sources.file !== undefined) merge(tree, readFile(sources.file));
  const leaves = schemaLeaves(schema);
  for (const [path, value] of Object.entries(sources.flags ?? {})) {
    const leaf = leaves.find((candidate) => candidate.path.join(".") === path);
    if (leaf && value !== undefined) assign(tree, leaf.path, flagValue(leaf, value));
  }
  for (const setting of sources.settings ?? []) applySetting(tree, setting, leaves);
  const parsed = schema.safeParse(tree);
  if (parsed.success) return parsed.data;
  const origin = sources.file === undefined ? "The options" : `The options (with ${sources.file})`;
  const problems = parsed.error.issues.map(
    ({ path, message, input }) =>
      `  ${path.join(".") || "(top level)"}: ${message}${input === undefined ? "" : `, got ${JSON.stringify(input)}`}`,
  );
  throw new VlmR1Error("invalid-argument", `${origin} are not valid:\n${problems.join("\n")}`);
}

function readFile(path: string): Tree {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new VlmR1Error("not-found", `Cannot read the configuration file ${path}.`, { cause });
  }
  try {
    return JSON.parse(text) as Tree;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new VlmR1Error("invalid-data", `The configuration file ${path} is not JSON: ${reason}.`, { cause });
  }
}

function applySetting(tree: Tree, setting: string, leaves: readonly SchemaLeaf[]): void {
  const equals = setting.indexOf("=");
  if (equals < 1)
    throw new VlmR1Error("invalid-argument", `--set takes key=value, got ${JSON.stringify(setting)}.`);
  const key = setting.slice(0, equals);
  const leaf = leaves.find(({ path }) => path.join(".") === key || path.at(-1) === key);
  const record = leaves.find(({ path, kind }) => kind === "record" && key.startsWith(`${path.join(".")}.`));
  if (!leaf && !record) {
    const near = leaves
      .map(({ path }) => path.join("."))
      .filter((path) => path.toLowerCase().includes(key.toLowerCase()));
    const hint = near.length > 0 ? ` Did you mean ${near.slice(0, 3).join(", ")}?` : "";
    throw new VlmR1Error("invalid-argument", `--set ${key}: there is no such option.${hint}`);
  }
  const text = setting.slice(equals + 1);
  assign(tree, leaf ? leaf.path : key.split("."), leaf ? flagValue(leaf, text) : jsonOrText(text));
}

/** Text of the command line as the option's own kind; what does not fit is left for the schema to refuse. */
function flagValue(leaf: SchemaLeaf, value: unknown): unknown {
  if (leaf.kind === "list" && Array.isArray(value)) return value.flatMap((item) => String(item).split(","));
  if (typeof value !== "string") return value;
  if (leaf.kind === "list") return value.startsWith("[") ? jsonOrText(value) : value.split(",");
  if (leaf.kind === "string") return value;
  return jsonOrText(value);
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function assign(tree: Tree, path: readonly string[], value: unknown): void {
  let node = tree;
  for (const key of path.slice(0, -1)) node = (node[key] ??= {}) as Tree;
  node[path.at(-1) as string] = value;
}

function merge(into: Tree, from: Tree): void {
  for (const [key, value] of Object.entries(from)) {
    const current = into[key];
    if (isTree(current) && isTree(value)) merge(current, value);
    else into[key] = value;
  }
}

function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
