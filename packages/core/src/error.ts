const brand = Symbol.for("vlmr1.error");

/**
 * Why something was refused. Stable: programs may branch on it, people read the message.
 *
 * - `invalid-argument`: an option or argument is outside its contract.
 * - `invalid-data`: a file or record that the user supplied is malformed.
 * - `not-found`: a file, folder or module that was named does not exist.
 * - `unsupported`: well-formed, but not something this project can do.
 * - `unavailable`: a device, library or server is not there now.
 * - `limit`: a stated limit (size, memory, time) was exceeded.
 * - `reward-failed`: a reward threw while scoring a sample.
 * - `policy-failed`: a policy broke a rule of its contract.
 * - `diverged`: training was stopped by one of its guards.
 * - `aborted`: the caller's AbortSignal fired.
 */
export type ErrorCode =
  | "invalid-argument"
  | "invalid-data"
  | "not-found"
  | "unsupported"
  | "unavailable"
  | "limit"
  | "reward-failed"
  | "policy-failed"
  | "diverged"
  | "aborted";

/**
 * The one error class of the project. The message says what was wrong, where, the value that was found, and the way out.
 *
 * Use {@link VlmR1Error.is} instead of `instanceof`: it also recognises errors from another installed copy of the package.
 */
export class VlmR1Error extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    // A name that a stranger wrote may be a hundred megabytes long.
    super(message.slice(0, 4000), options);
    this.name = "VlmR1Error";
    this.code = code;
    Object.defineProperty(this, brand, { value: true });
  }

  /** Whether `value` is a VlmR1Error of any installed copy of this package, optionally of one `code`. */
  static is(value: unknown, code?: ErrorCode): value is VlmR1Error {
    if (typeof value !== "object" || value === null || !(brand in value)) return false;
    return code === undefined || (value as { code?: unknown }).code === code;
  }
}

/** How much of a value an error message shows: nesting, members of one array or object, characters of one string and of all. */
const shown = { levels: 3, members: 8, text: 60, all: 100 } as const;

/**
 * A value found where another was expected, as an error message shows it: JSON of at most about a hundred characters,
 * whatever its size; `nothing` for undefined.
 */
export function showValue(value: unknown): string {
  const text = showPart(value, 0);
  return text.length > shown.all ? `${text.slice(0, shown.all - 1)}…` : text;
}

function showPart(value: unknown, level: number): string {
  if (value === undefined) return "nothing";
  if (typeof value === "string") {
    return JSON.stringify(value.length > shown.text ? `${value.slice(0, shown.text)}…` : value);
  }
  if (typeof value !== "object" || value === null)
    return typeof value === "function" ? "a function" : String(value);
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
  if (value instanceof Map) return `a dict of ${value.size}`;
  if (Array.isArray(value)) {
    if (level === shown.levels) return "[…]";
    const parts = value.slice(0, shown.members).map((member) => showPart(member, level + 1));
    return `[${parts.join(", ")}${value.length > shown.members ? ", …" : ""}]`;
  }
  if (level === shown.levels) return "{…}";
  const keys = Object.keys(value);
  const parts = keys
    .slice(0, shown.members)
    .map((key) => `${showPart(key, level)}: ${showPart((value as Record<string, unknown>)[key], level + 1)}`);
  return `{${parts.join(", ")}${keys.length > shown.members ? ", …" : ""}}`;
}
