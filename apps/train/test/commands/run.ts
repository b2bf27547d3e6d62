import { vi } from "vitest";
import { runCommandLine } from "../../src/command-line.ts";

/** What a command line printed and how it ended. */
export interface CommandResult {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
  /** The last line of standard output, parsed. */
  readonly json: unknown;
}

/** Runs a command line in this process, as `npm run vlmr1 -- …` would. */
export async function run(...args: readonly string[]): Promise<CommandResult> {
  const text = { out: "", errors: "" };
  const out = vi
    .spyOn(process.stdout, "write")
    .mockImplementation((chunk) => ((text.out += String(chunk)), true));
  const errors = vi
    .spyOn(process.stderr, "write")
    .mockImplementation((chunk) => ((text.errors += String(chunk)), true));
  try {
    const code = await runCommandLine(args);
    const last = text.out.trimEnd().split("\n").at(-1) ?? "";
    return { code, ...text, json: /^[[{]/.test(last) ? (JSON.parse(last) as unknown) : undefined };
  } finally {
    out.mockRestore();
    errors.mockRestore();
  }
}
