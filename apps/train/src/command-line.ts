import { VlmR1Error } from "@vlmr1/core";
import { Command, CommanderError } from "commander";
import { commands } from "./commands/index.ts";
import { appVersion } from "./program.ts";
import { processTerminal, type Terminal } from "./terminal.ts";

/** 0 done, 1 failure, 2 the command line or configuration is wrong, 130 interrupted. */
type ExitCode = 0 | 1 | 2 | 130;

/** Parses and runs one command line. Never throws: what goes wrong is told on standard error, and in JSON under `--json`. */
export async function runCommandLine(args: readonly string[]): Promise<ExitCode> {
  let isBad = false;
  try {
    const program = await buildProgram(args, () => (isBad = true));
    await program.parseAsync([...args], { from: "user" });
    return isBad ? 1 : 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    return report(error, args.includes("--json"), args.includes("--verbose"));
  }
}

/**
 * The program for one command line. Only the command that is asked for is built: the others are names in `vlmr1 --help`, which therefore
 * does not wait for the modules of any.
 */
async function buildProgram(args: readonly string[], onBad: () => void): Promise<Command> {
  const program = new Command("vlmr1")
    .description("Teach a vision-language model to see, with rules as rewards.")
    .version(appVersion)
    .option(
      "--json",
      "put the result on standard output as one line of JSON, everything else on standard error",
    )
    .option("--quiet", "say nothing but the result")
    .option("--verbose", "show where an error came from")
    .showHelpAfterError("(vlmr1 --help lists the commands, vlmr1 COMMAND --help its options)")
    .commandsGroup("More:")
    .exitOverride();
  const terminal = (): Terminal => processTerminal(program.opts(), args, onBad);
  const chosen = args.find((argument) => !argument.startsWith("-"));
  for (const { name, about, group, load } of commands) {
    const command = program.command(name).description(about).helpGroup(group);
    if (name === chosen) (await load())(command, terminal);
  }
  return program;
}

function report(error: unknown, json: boolean, verbose: boolean): ExitCode {
  const known = VlmR1Error.is(error);
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(known && !verbose ? `error: ${message}\n` : `error: ${stackOf(error)}\n`);
  if (json)
    process.stdout.write(
      `${JSON.stringify({ error: { code: known ? error.code : "internal", message } })}\n`,
    );
  if (!known) return 1;
  if (error.code === "aborted") return 130;
  return error.code === "invalid-argument" ? 2 : 1;
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : `\ncaused by: ${stackOf(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}
