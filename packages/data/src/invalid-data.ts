import { VlmR1Error } from "@vlmr1/core";

/** Where in the user's data something is wrong, and what. */
interface DataProblem {
  /** The file, as the user would name it. */
  readonly file: string;
  /** Line, record, field or byte inside the file. */
  readonly place?: string;
  /** A clause that says what is wrong, with the value found and what would be right. */
  readonly problem: string;
  readonly cause?: unknown;
}

/** The error that every loader throws for a file it cannot use: `file, place: problem.` with code `invalid-data`. */
export function invalidData({ file, place, problem, cause }: DataProblem): VlmR1Error {
  const where = place === undefined ? file : `${file}, ${place}`;
  const end = /[.?!]$/.test(problem) ? "" : ".";
  return new VlmR1Error("invalid-data", `${where}: ${problem}${end}`, cause === undefined ? {} : { cause });
}

/** Shows a value found in a file in at most about 60 characters, so that an error stays one readable line. */
export function show(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "bigint") return `${value}`;
  if (typeof value === "number") return String(value);
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (value instanceof Map) return `a dict of ${value.size}`;
  let text: string;
  if (typeof value === "string") text = JSON.stringify(value.length > 60 ? value.slice(0, 60) : value);
  else if (Array.isArray(value)) text = showArray(value);
  else
    text =
      typeof value === "object" && value !== null
        ? `{${Object.keys(value).slice(0, 8).join(", ")}}`
        : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

function showArray(values: readonly unknown[]): string {
  const flat = values.slice(0, 8).map((value) => (Array.isArray(value) ? "[…]" : show(value)));
  return `[${flat.join(", ")}${values.length > 8 ? ", …" : ""}]`;
}

/** The error for a path that cannot be opened or read: `not-found` when nothing is there, else `invalid-data`. */
export function unreadable(path: string, cause: unknown): VlmR1Error {
  if (VlmR1Error.is(cause)) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === "ENOENT" || code === "ENOTDIR") {
    return new VlmR1Error(
      "not-found",
      `There is nothing at ${path}. Check the path and the folder it is relative to.`,
      { cause },
    );
  }
  return invalidData({ file: path, problem: `it cannot be read: ${message}`, cause });
}
