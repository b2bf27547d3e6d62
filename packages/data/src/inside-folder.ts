import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { invalidData, show } from "./invalid-data.ts";

/** Where in a file another file is named, for errors. */
export interface Mention {
  readonly file: string;
  readonly place: string;
}

/**
 * The path of a file named in data, which must lie inside `root`. Links inside the folder are followed: they are the user's own.
 * @throws VlmR1Error `invalid-data` when the name is no string or leaves the folder.
 */
export function resolveInside(root: string, name: unknown, { file, place }: Mention): string {
  if (typeof name !== "string" || name.trim() === "" || name.includes("\0")) {
    throw invalidData({
      file,
      place,
      problem: `a file name should be a string that is not empty, found ${show(name)}`,
    });
  }
  const folder = resolve(root);
  const inner = relative(folder, resolve(folder, name));
  if (inner === "" || inner === ".." || inner.startsWith(`..${sep}`) || isAbsolute(inner)) {
    throw invalidData({
      file,
      place,
      problem: `the file ${show(name)} is not inside the folder ${root}, and nothing outside is opened. Use a path relative to the folder`,
    });
  }
  return join(folder, inner);
}
