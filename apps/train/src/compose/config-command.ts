import { Command } from "commander";
import { VlmR1Error } from "@vlmr1/core";
import type { z } from "zod";
import type { Terminal } from "../terminal.ts";
import type { FlagScope } from "./config-flags.ts";

/** A command whose options are the leaves of a configuration schema. */
export interface ConfigCommand<Schema extends z.ZodType> {
  readonly name: string;
  readonly description: string;
  /** The schema is imported when the command runs: the trainer behind it takes a moment to load. */
  readonly schema: () => Promise<Schema>;
  readonly scope: FlagScope;
  /** Options that are not configuration. */
  readonly options?: (command: Command) => void;
  readonly run: (given: GivenConfig<Schema>, terminal: Terminal) => Promise<void>;
}

/** What a command line says, ready for `readConfig`. */
export interface GivenConfig<Schema extends z.ZodType> {
  readonly schema: Schema;
  readonly flags: Readonly<Record<string, unknown>>;
  readonly file?: string;
  readonly settings: readonly string[];
  /** Values of the options that are not configuration. */
  readonly options: Readonly<Record<string, unknown>>;
  /** The arguments as they were typed, to say how a run is repeated. */
  readonly typed: readonly string[];
}

/**
 * Adds a command that hands its arguments on to one that is built when it runs, with a flag for each leaf of the schema: the other
 * commands, and `vlmr1 --help`, do not wait for the schema's modules.
 */
export function addConfigCommand<Schema extends z.ZodType>(
  program: Command,
  terminal: () => Terminal,
  definition: ConfigCommand<Schema>,
): void {
  const { name, description } = definition;
  program
    .command(name)
    .description(description)
    .usage("[options]")
    .helpOption(false)
    .allowUnknownOption()
    .allowExcessArguments()
    .action(async (_options: unknown, outer: Command) => {
      const { addConfigFlags, configFlags, flagValues } = await import("./config-flags.ts");
      const schema = await definition.schema();
      const flags = configFlags(schema, definition.scope);
      const command = new Command(`vlmr1 ${name}`).description(description);
      command.option("--config <file>", "JSON file with any of these options; flags win over it");
      command.option(
        "--set <key=value>",
        "one option by its path in the file; repeat it",
        (text: string, all: readonly string[]) => [...all, text],
        [],
      );
      definition.options?.(command);
      addConfigFlags(command, flags);
      command.exitOverride().showHelpAfterError(`(vlmr1 ${name} --help lists the options)`);
      await command.parseAsync(outer.args, { from: "user" });
      if (command.args.length > 0)
        throw new VlmR1Error(
          "invalid-argument",
          `vlmr1 ${name} takes options only, got ${JSON.stringify(command.args[0])}.`,
        );
      const options = command.opts<Record<string, unknown>>();
      const file = options["config"] as string | undefined;
      await definition.run(
        {
          schema,
          flags: flagValues(command, flags),
          settings: options["set"] as string[],
          options,
          typed: outer.args,
          ...(file !== undefined && { file }),
        },
        terminal(),
      );
    });
}
