import { Buffer, isUtf8 } from "node:buffer";
import { open, stat, type FileHandle } from "node:fs/promises";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { showValue, VlmR1Error } from "../error.ts";
import { deepestJson, isNestedTooDeep } from "../json-depth.ts";

/** Where in the user's data something is wrong, and what. */
export interface DataProblem {
  /** The file, as the user would name it. */
  readonly file: string;
  /** Line, record, field or byte inside the file. */
  readonly place?: string;
  /** A clause that says what is wrong, with the value found and what would be right. */
  readonly problem: string;
  readonly cause?: unknown;
}

/** Where in a file something stands, for errors. */
export interface Mention {
  readonly file: string;
  readonly place: string;
}

/** The error for a file that cannot be used: `file, place: problem.` with code `invalid-data`. */
export function invalidData({ file, place, problem, cause }: DataProblem): VlmR1Error {
  const where = place === undefined ? file : `${file}, ${place}`;
  const end = /[.?!]$/.test(problem) ? "" : ".";
  return new VlmR1Error("invalid-data", `${where}: ${problem}${end}`, cause === undefined ? {} : { cause });
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

/**
 * Opens a file for reading. A pipe, a device or a folder is refused before it is opened: a pipe without a writer never
 * opens, and a device has no end.
 *
 * @throws VlmR1Error `not-found`, or `invalid-data` for anything that is no ordinary file.
 */
export async function openFile(path: string): Promise<FileHandle> {
  try {
    const entry = await stat(path);
    if (!entry.isFile()) {
      const found = entry.isDirectory() ? "a folder" : "a pipe, a socket or a device";
      throw invalidData({ file: path, problem: `this is ${found}, not a file` });
    }
    return await open(path, "r");
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/** Reads bytes start..end of a file. @throws VlmR1Error when the file has become shorter or is gone. */
export async function readRange(path: string, start: number, end: number): Promise<Buffer> {
  const handle = await openFile(path);
  try {
    return await readExactly(handle, path, start, end - start);
  } finally {
    await handle.close();
  }
}

/**
 * Reads a whole file of at most `maxBytes` bytes.
 *
 * @throws VlmR1Error `not-found`, `limit` for a longer file, `invalid-data` for anything that is no ordinary file.
 */
export async function readWhole(path: string, maxBytes: number): Promise<Buffer> {
  const handle = await openFile(path);
  try {
    const { size } = await handle.stat();
    if (size > maxBytes) {
      throw new VlmR1Error(
        "limit",
        `${path} has ${size} bytes, and at most ${maxBytes} are read of such a file. Is it the right file?`,
      );
    }
    return await readExactly(handle, path, 0, size);
  } finally {
    await handle.close();
  }
}

async function readExactly(handle: FileHandle, path: string, start: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  const { bytesRead } = await handle.read(bytes, 0, length, start).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  if (bytesRead === length) return bytes;
  throw invalidData({
    file: path,
    problem: "the file has become shorter since it was opened; load it again",
  });
}

/** Decodes UTF-8 strictly: undefined when the bytes are not valid, where `toString` would put U+FFFD in their place. */
export function decodeUtf8(bytes: Buffer, start = 0, end = bytes.length): string | undefined {
  const text = bytes.toString("utf8", start, end);
  // U+FFFD may also be what was written; only then are the bytes looked at a second time.
  return text.includes("\ufffd") && !isUtf8(bytes.subarray(start, end)) ? undefined : text;
}

/** The error for JSON that is nested deeper than that. */
export function tooDeep(where: string): VlmR1Error {
  return new VlmR1Error("limit", `${where}: the JSON is nested more than ${deepestJson} levels deep.`);
}

/**
 * Parses JSON that a stranger wrote.
 *
 * @throws VlmR1Error `invalid-data` for text that is no JSON, `limit` for more than 512 levels of brackets.
 */
export function parseJson(
  text: string,
  { file, place }: Partial<Mention> & { readonly file: string },
): unknown {
  const where = place === undefined ? { file } : { file, place };
  if (isNestedTooDeep(text)) throw tooDeep(place === undefined ? file : `${file}, ${place}`);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalidData({ ...where, problem: `this is no valid JSON: ${(cause as Error).message}`, cause });
  }
}

/**
 * What a file really is when it begins like a Git LFS pointer, as a clause for an error; undefined for any other file.
 * A clone without `git lfs` leaves such pointers in place of large files.
 */
export function lfsPointer(head: Buffer): string | undefined {
  if (!head.subarray(0, 43).toString("latin1").startsWith("version https://git-lfs.github.com/spec/")) {
    return undefined;
  }
  return "this is a Git LFS pointer of a few lines, not the file itself. Fetch the file with `git lfs pull`";
}

/**
 * The path of a file named in data, which must lie inside `root`. Links inside the folder are followed: they are the
 * user's own.
 *
 * @throws VlmR1Error `invalid-data` when the name is no string or leaves the folder.
 */
export function resolveInside(root: string, name: unknown, { file, place }: Mention): string {
  if (typeof name !== "string" || name.trim() === "" || name.includes("\0")) {
    throw invalidData({
      file,
      place,
      problem: `a file name should be a string that is not empty, found ${showValue(name)}`,
    });
  }
  const folder = resolve(root);
  const inner = relative(folder, resolve(folder, name));
  if (inner === "" || inner === ".." || inner.startsWith(`..${sep}`) || isAbsolute(inner)) {
    throw invalidData({
      file,
      place,
      problem: `the file ${showValue(name)} is not inside the folder ${root}, and nothing outside is opened. Use a path relative to the folder`,
    });
  }
  return join(folder, inner);
}
