import { Option, type Command } from "commander";
import { kebabCase, VlmR1Error } from "@vlmr1/core";
import { configFlags, configOptions, type ConfigFlag, type ConfigOption, type FlagScope } from "./options.ts";
import { RunConfig } from "./run-config.ts";

/** What a command line says, ready for `readConfig`. */
export interface GivenConfig {
  /** Every option of the configuration; those that the command takes as flags have one. */
  readonly options: readonly (ConfigOption | ConfigFlag)[];
  /** Values of the flags, by key. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly file?: string;
  readonly settings: readonly string[];
  /** Values of the command's options that are not configuration. */
  readonly extras: Readonly<Record<string, unknown>>;
}

/**
 * Gives a command a flag for each option of a run that is in its scope, and what it does with them. `--help` shows those that people
 * reach for first, by group; `--help-all` shows every one.
 */
export function addConfig(
  command: Command,
  scope: FlagScope,
  run: (given: GivenConfig) => Promise<void>,
): void {
  const flags = configFlags(RunConfig, scope);
  const flagged = new Map(flags.map((flag) => [flag.key, flag]));
  const options = configOptions(RunConfig).map((option) => flagged.get(option.key) ?? option);
  command
    .option("--config <file>", "YAML or JSON file with any of these options; flags win over it")
    .option(
      "--set <key=value>",
      "one option by its path in the file; repeat it",
      (text: string, all?: readonly string[]) => [...(all ?? []), text],
    )
    .option("--help-all", `show all ${flags.length} options`)
    .usage("[options]")
    .argument("[nothing...]")
    .action(async (stray: readonly string[]) => {
      if (stray.length > 0)
        throw new VlmR1Error(
          "invalid-argument",
          `vlmr1 ${pathOf(command)} takes options only, got ${JSON.stringify(stray[0])}.`,
        );
      const extras = command.opts<Record<string, unknown>>();
      const file = extras["config"] as string | undefined;
      const settings = (extras["set"] as string[] | undefined) ?? [];
      await run({
        options,
        flags: flagValues(extras, flags),
        settings,
        extras,
        ...(file !== undefined && { file }),
      });
    });
  for (const flag of flags) command.addOption(commandOption(flag));
  const hidden = flags.filter(({ everyday }) => !everyday).length;
  command.on("option:help-all", () => {
    for (const option of command.options) option.hidden = false;
    command.help();
  });
  command.addHelpText("after", () =>
    command.opts()["helpAll"]
      ? "\nDefaults, ranges and names in a file: docs/configuration.md"
      : `\n--help-all shows ${hidden} more options; docs/configuration.md explains every one.`,
  );
}

/** `eval model` of `vlmr1 eval model`. */
function pathOf(command: Command): string {
  const parent = command.parent;
  return parent?.parent ? `${pathOf(parent)} ${command.name()}` : command.name();
}

function commandOption(flag: ConfigFlag): Option {
  const text = `${flag.description}${choicesText(flag)}${fallbackText(flag)}`;
  const isSwitch = flag.kind === "boolean";
  const option = new Option(
    isSwitch ? `${flag.flag} [true|false]` : `${flag.flag} <${placeholder(flag)}>`,
    text,
  );
  option.negate = false; // `--no-decay` takes a list and negates nothing
  if (flag.kind === "list") option.argParser(collect);
  values.set(option, isSwitch ? ["true", "false"] : flag.choices);
  if (!flag.everyday) option.hideHelp();
  return option.helpGroup(`${flag.group}:`);
}

const values = new WeakMap<Option, readonly string[]>();

/** The values that an option may have, when they are few. */
export function valuesOf(option: Option): readonly string[] {
  return values.get(option) ?? option.argChoices ?? [];
}

/** What the command line gave, by key. */
function flagValues(
  given: Readonly<Record<string, unknown>>,
  flags: readonly ConfigFlag[],
): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const { flag, key } of flags) {
    const value = given[camel(flag)];
    if (value !== undefined) values[key] = value;
  }
  return values;
}

/** A list may be repeated or come with commas; JSON is taken as it is. */
function collect(text: string, earlier: unknown): unknown {
  if (text.startsWith("[")) return text;
  return [...(Array.isArray(earlier) ? (earlier as string[]) : []), text];
}

function placeholder({ kind, path }: ConfigOption): string {
  if (kind === "number") return "n";
  if (kind === "record") return "json";
  return kind === "list" ? "list" : kebabCase(path.at(-1) as string);
}

function choicesText({ choices, description }: ConfigOption): string {
  return choices.every((choice) => description.includes(choice)) ? "" : ` One of ${choices.join(", ")}.`;
}

function fallbackText({ fallback }: ConfigOption): string {
  if (fallback === undefined || (Array.isArray(fallback) && fallback.length > 3)) return "";
  return ` (default: ${typeof fallback === "string" ? fallback : JSON.stringify(fallback)})`;
}

function camel(flag: string): string {
  return flag.slice(2).replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
