import { readFileSync } from "node:fs";
import { VlmR1Error } from "@vlmr1/core";
import { parse as parseYaml } from "yaml";
import type { z } from "zod";
import type { ConfigFlag, ConfigOption } from "./options.ts";
import { didYouMean } from "./suggest.ts";

/** A configuration before it is checked: what a file holds. */
export type Tree = { [key: string]: unknown };

/** What is known of an option before a preset: good values of some depend on others. */
export interface Chosen {
  /** What the user says of it. */
  said(key: string): unknown;
  /** That, or the schema's default. */
  value(key: string): unknown;
}

/** What the command line gave: a file, flags by key, and `key=value` settings. */
export interface ConfigSources {
  /** Values that this command starts from, under everything the user says. */
  readonly preset?: (chosen: Chosen) => Tree;
  /** Writes short forms in what the user says in full. */
  readonly spellOut?: (said: Tree) => void;
  readonly file?: string;
  readonly flags?: Readonly<Record<string, unknown>>;
  readonly settings?: readonly string[];
}

/**
 * Resolves a configuration: schema defaults < the command's preset < `--config` file < flags < `--set`. It is parsed once, when all of
 * them have spoken.
 *
 * @param options every option of the schema; those that the command takes as flags have one.
 * @throws VlmR1Error `invalid-argument` naming flag, value and what is allowed; unknown keys are errors.
 */
export function readConfig<Schema extends z.ZodType>(
  schema: Schema,
  options: readonly (ConfigOption | ConfigFlag)[],
  sources: ConfigSources,
): z.output<Schema> {
  const said: Tree = sources.file === undefined ? {} : readConfigFile(sources.file);
  for (const [key, value] of Object.entries(sources.flags ?? {})) {
    const option = options.find((candidate) => candidate.key === key);
    if (option && value !== undefined) assign(said, option.path, valueOf(option, value));
  }
  for (const setting of sources.settings ?? []) applySetting(said, setting, options);
  sources.spellOut?.(said);
  const saidOf = (key: string): unknown => at(said, key.split("."));
  const tree = structuredClone(
    sources.preset?.({
      said: saidOf,
      value: (key) => saidOf(key) ?? options.find((option) => option.key === key)?.fallback,
    }) ?? {},
  );
  merge(tree, said);
  const parsed = schema.safeParse(tree);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.flatMap((issue) => problemsOf(issue, tree, options));
  const origin = sources.file === undefined ? "" : ` (with ${sources.file})`;
  throw new VlmR1Error(
    "invalid-argument",
    problems.length === 1
      ? `${problems[0]}${origin && ` The configuration file is ${sources.file}.`}`
      : `The options${origin} are not valid:\n${problems.map((problem) => `  ${problem}`).join("\n")}`,
  );
}

/**
 * Reads a configuration file: JSON, or YAML when its name ends in .yaml or .yml.
 *
 * @throws VlmR1Error `not-found`, or `invalid-data` when it is neither or not a record.
 */
export function readConfigFile(path: string): Tree {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new VlmR1Error("not-found", `Cannot read the configuration file ${path}.`, { cause });
  }
  const format = /\.ya?ml$/i.test(path) ? "YAML" : "JSON";
  let value: unknown;
  try {
    value = format === "YAML" ? parseYaml(text, { maxAliasCount: 0 }) : JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.trim() : String(cause);
    throw new VlmR1Error(
      "invalid-data",
      `The configuration file ${path} is not ${format}: ${reason}${reason.endsWith(".") ? "" : "."}`,
      { cause },
    );
  }
  if (value === null || value === undefined) return {};
  if (isTree(value)) return value;
  throw new VlmR1Error("invalid-data", `The configuration file ${path} must hold a record of options.`);
}

/** One problem of the schema in words that name the flag, the value and the range. */
function problemsOf(
  issue: z.core.$ZodIssue,
  tree: Tree,
  options: readonly (ConfigOption | ConfigFlag)[],
): string[] {
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys") {
    const members = options.map(({ key }) => key);
    return issue.keys.map((name) => {
      const key = [...path, name].join(".");
      return `There is no option ${key}.${didYouMean(key, members)}`;
    });
  }
  const option = options.findLast(({ path: own }) => own.every((name, i) => name === path[i]));
  if (!option) return [`${path.join(".") || "The configuration"}: ${issue.message}.`];
  const named =
    "flag" in option ? `${option.flag} (${path.join(".")} in a file)` : `The option ${path.join(".")}`;
  const value = at(tree, path);
  const isMember = path.length > option.path.length;
  const wanted = isMember || issue.code === "custom" ? issue.message : `It takes ${option.takes}.`;
  const hint = typeof value === "string" && !isMember ? didYouMean(value, option.choices) : "";
  return [`${named} is ${JSON.stringify(value) ?? "missing"}. ${wanted}${hint}`];
}

function applySetting(tree: Tree, setting: string, options: readonly ConfigOption[]): void {
  const equals = setting.indexOf("=");
  if (equals < 1)
    throw new VlmR1Error("invalid-argument", `--set takes key=value, got ${JSON.stringify(setting)}.`);
  const key = setting.slice(0, equals);
  const option =
    options.find((candidate) => candidate.key === key) ?? options.find(({ path }) => path.at(-1) === key);
  const record = options.find(({ key: own, kind }) => kind === "record" && key.startsWith(`${own}.`));
  if (!option && !record) {
    const hint = didYouMean(
      key,
      options.map((candidate) => candidate.key),
    );
    throw new VlmR1Error("invalid-argument", `--set ${key}: there is no such option.${hint}`);
  }
  const text = setting.slice(equals + 1);
  assign(tree, option ? option.path : key.split("."), option ? valueOf(option, text) : jsonOrText(text));
}

/** Text of the command line as the option's own kind; what does not fit is left for the schema to refuse. */
function valueOf({ kind, items }: ConfigOption, value: unknown): unknown {
  const item = (text: string): unknown => (items === "string" ? text : jsonOrText(text));
  if (kind === "list" && Array.isArray(value))
    return value.flatMap((part) => String(part).split(",")).map(item);
  if (typeof value !== "string") return value;
  if (kind === "list") return value.startsWith("[") ? jsonOrText(value) : value.split(",").map(item);
  if (kind === "string") return value;
  return jsonOrText(value);
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function at(tree: Tree, path: readonly string[]): unknown {
  return path.reduce<unknown>((node, key) => (node as Tree | undefined)?.[key], tree);
}

function assign(tree: Tree, path: readonly string[], value: unknown): void {
  let node = tree;
  for (const key of path.slice(0, -1)) node = (node[key] ??= {}) as Tree;
  node[path.at(-1) as string] = value;
}

function merge(into: Tree, from: Tree): void {
  for (const [key, value] of Object.entries(from)) {
    const current = Object.hasOwn(into, key) ? into[key] : undefined;
    if (isTree(current) && isTree(value)) merge(current, value);
    else into[key] = value;
  }
}

function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
