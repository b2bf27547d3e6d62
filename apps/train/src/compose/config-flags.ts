import type { Command } from "commander";
import type { z } from "zod";
import { schemaLeaves, type SchemaLeaf } from "../config/schema-leaves.ts";

/** Which part of a configuration a command takes as flags. */
export interface FlagScope {
  /** Members of the configuration that the command has no use for. */
  readonly without: readonly string[];
  /** Sections whose name is not repeated in the flag: `grpo.groupSize` becomes `--group-size`. */
  readonly plain: readonly string[];
}

/** One option of a command: its flag and the leaf of the schema that it sets. */
export interface ConfigFlag {
  readonly flag: string;
  readonly leaf: SchemaLeaf;
}

/** The flags of a command, one for each leaf of the schema that is in its scope. */
export function configFlags(schema: z.ZodType, { without, plain }: FlagScope): readonly ConfigFlag[] {
  return schemaLeaves(schema)
    .filter(({ path }) => !without.includes(path[0] as string))
    .map((leaf) => {
      const named = plain.includes(leaf.path[0] as string) ? leaf.path.slice(1) : leaf.path;
      return { leaf, flag: `--${named.map(kebab).join("-")}` };
    });
}

/** Adds the flags to a command. */
export function addConfigFlags(command: Command, flags: readonly ConfigFlag[]): void {
  for (const { flag, leaf } of flags) {
    const text = `${leaf.description}${choicesText(leaf)}${fallbackText(leaf)}`;
    if (leaf.kind === "list") command.option(`${flag} <list>`, text, collect);
    else
      command.option(
        leaf.kind === "boolean" ? `${flag} [true|false]` : `${flag} <${placeholder(leaf)}>`,
        text,
      );
  }
}

/** What the command line gave, by path in the configuration, as `readConfig` takes it. */
export function flagValues(command: Command, flags: readonly ConfigFlag[]): Record<string, unknown> {
  const given = command.opts<Record<string, unknown>>();
  const values: Record<string, unknown> = {};
  for (const { flag, leaf } of flags) {
    const value = given[camel(flag)];
    if (value !== undefined) values[leaf.path.join(".")] = value;
  }
  return values;
}

/** A list may be repeated or come with commas; JSON is taken as it is. */
function collect(text: string, earlier: unknown): unknown {
  if (text.startsWith("[")) return text;
  return [...(Array.isArray(earlier) ? (earlier as string[]) : []), text];
}

function placeholder({ kind, path }: SchemaLeaf): string {
  if (kind === "number") return "n";
  return kind === "record" ? "json" : (path.at(-1) as string);
}

function choicesText({ choices, description }: SchemaLeaf): string {
  return choices.every((choice) => description.includes(choice)) ? "" : ` One of ${choices.join(", ")}.`;
}

function fallbackText({ fallback }: SchemaLeaf): string {
  if (fallback === undefined || (Array.isArray(fallback) && fallback.length > 3)) return "";
  return ` (default: ${typeof fallback === "string" ? fallback : JSON.stringify(fallback)})`;
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function camel(flag: string): string {
  return flag.slice(2).replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
