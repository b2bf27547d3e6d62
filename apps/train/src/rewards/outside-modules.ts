import { existsSync, statSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { VlmR1Error } from "@vlmr1/core";
import { createJiti } from "jiti";
import { programName } from "../program.ts";

/**
 * A function that a module of the user exports. The module is a file (`./mine.ts`: TypeScript on every Node that this program runs on) or
 * an installed package, looked up from the folder in which the command runs; a folder of a package's name beside it is not that package.
 *
 * @throws VlmR1Error `not-found` for a file, a package or an export that does not exist, listing what there is; `invalid-argument` for a
 * module that cannot be imported.
 */
export async function outsideFunction(
  module: string,
  exported: string,
): Promise<(...args: never[]) => unknown> {
  const url = locate(module);
  // jiti strips types where Node does not; source is run by a loader that does already, and knows the packages of the repository.
  const needsLoader = /\.[mc]?ts$/.test(url) && programName === "vlmr1";
  let loaded: Readonly<Record<string, unknown>>;
  try {
    loaded = (needsLoader ? await createJiti(url).import(url) : await import(url)) as typeof loaded;
  } catch (cause) {
    throw new VlmR1Error(
      "invalid-argument",
      `The module ${module} cannot be imported: ${(cause as Error).message}`,
      { cause },
    );
  }
  const value = loaded[exported];
  if (typeof value === "function") return value as (...args: never[]) => unknown;
  const functions = Object.keys(loaded).filter((key) => typeof loaded[key] === "function");
  throw new VlmR1Error(
    "not-found",
    `${module} exports no function ${exported}. It exports: ${functions.join(", ") || "none"}.`,
  );
}

/** The URL of a module: a file begins with a dot or a slash, or ends like one; everything else is a package, found as `import` finds it. */
function locate(module: string): string {
  if (/^\.{0,2}[/\\]/.test(module) || isAbsolute(module) || /\.[mc]?[jt]s$/.test(module)) {
    const path = resolve(module);
    if (existsSync(path) && statSync(path).isFile()) return pathToFileURL(path).href;
    throw new VlmR1Error("not-found", `There is no file ${path}.`);
  }
  try {
    return createJiti(pathToFileURL(resolve("package.json")).href).esmResolve(module);
  } catch (cause) {
    const reason =
      (cause as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND" ? "" : ` (${(cause as Error).message})`;
    throw new VlmR1Error(
      "not-found",
      `There is no package ${module} here${reason}. Install it with npm install ${module}; a file of your own is ./file.ts#export.`,
      { cause },
    );
  }
}
