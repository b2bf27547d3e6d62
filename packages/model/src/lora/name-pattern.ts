import { runInNewContext } from "node:vm";
import { VlmR1Error } from "@vlmr1/core";

/** Longest regular expression that is tried on module names, and the time it may take on all of them. */
const PATTERN_LENGTH = 2000;
const MILLISECONDS = 1000;

/**
 * The names that a regular expression of PEFT matches as a whole. The expression comes with a checkpoint, which may be hostile: one that
 * backtracks without end is stopped.
 *
 * @throws VlmR1Error `invalid-argument` when it is no regular expression, too long, or not done after a second.
 */
export function namesMatching(source: string, names: readonly string[]): Set<string> {
  const pattern = parsePattern(source);
  const code = "names.filter((name) => pattern.test(name))";
  try {
    // Of all ways to run a regular expression, only a script with a time limit can be interrupted in the middle of it.
    return new Set(runInNewContext(code, { names, pattern }, { timeout: MILLISECONDS }) as string[]);
  } catch (cause) {
    throw new VlmR1Error(
      "invalid-argument",
      `The target pattern "${source}" took more than ${MILLISECONDS} ms on ${names.length} names. List the names of the layers instead.`,
      { cause },
    );
  }
}

function parsePattern(source: string): RegExp {
  if (source.length > PATTERN_LENGTH) {
    throw new VlmR1Error(
      "invalid-argument",
      `A target pattern has ${source.length} characters; ${PATTERN_LENGTH} are allowed.`,
    );
  }
  try {
    return new RegExp(`^(?:${source.replaceAll("(?P<", "(?<")})$`); // Python spells named groups differently
  } catch (cause) {
    throw new VlmR1Error("invalid-argument", `The target pattern "${source}" is not a regular expression.`, {
      cause,
    });
  }
}
