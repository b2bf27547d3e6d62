import { existsSync } from "node:fs";
import { join } from "node:path";
import { VlmR1Error } from "@vlmr1/core";
import { readConfig } from "../config/read-config.ts";
import type { RunConfig, RunSchema } from "../config/run-config.ts";
import type { GivenConfig } from "./config-command.ts";
import { presetFor } from "./presets.ts";

/** The file in a run folder that holds everything the run was told. */
export const configFile = "config.json";

/** A configuration with everything decided, and the folder of the run. */
export interface ResolvedConfig {
  readonly config: RunConfig;
  readonly directory: string;
  readonly resume: boolean;
}

/**
 * Decides every option of a run. `--resume` without a configuration takes the one of the run that is continued.
 *
 * @throws VlmR1Error `invalid-argument` naming what is wrong; `not-found` when there is nothing to resume.
 */
export function resolveConfig(given: GivenConfig<RunSchema>, command: string): ResolvedConfig {
  const { schema, flags, settings, options } = given;
  const resume = options["resume"];
  const out = typeof resume === "string" ? resume : (flags["out"] as string | undefined);
  const earlier = resume !== undefined && out !== undefined ? join(out, configFile) : undefined;
  if (resume !== undefined && earlier === undefined)
    throw new VlmR1Error("invalid-argument", "--resume needs the folder of the run: --resume runs/grpo.");
  if (earlier !== undefined && !existsSync(earlier))
    throw new VlmR1Error("not-found", `${earlier} does not exist: there is no run in ${out} to resume.`);
  const file = given.file ?? earlier;
  const sources = { flags, settings, ...(file !== undefined && { file }) };
  const first = readConfig(schema, sources);
  // Some good values depend on others that a preset decides, so it is asked twice.
  const second = readConfig(schema, { ...sources, preset: presetFor(first) });
  const config = readConfig(schema, { ...sources, preset: presetFor(second) });
  const directory = out ?? config.out ?? newFolder(command);
  return { config: { ...config, out: directory }, directory, resume: resume !== undefined };
}

/** The folder that this command line names, or `runs/<command>`, or the next free name beside it. */
function newFolder(command: string): string {
  for (let number = 1; ; number++) {
    const directory = join("runs", number === 1 ? command : `${command}-${number}`);
    if (!existsSync(directory)) return directory;
  }
}
