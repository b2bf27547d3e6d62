import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join, sep } from "node:path";
import { VlmR1Error } from "@vlmr1/core";
import type { NamedValue } from "./c-api.ts";
import type { XlaFlags } from "./compile-options.ts";
import {
  clientOptions,
  kindOfFile,
  matchFiles,
  pluginKinds,
  xlaFlags,
  type PluginKind,
  type PluginName,
  type PluginOption,
} from "./plugin-kinds.ts";

/** What to install for an accelerator. */
export interface PluginAdvice {
  readonly name: PluginName;
  readonly processors: string;
  readonly install: string;
}

/** Every kind of plugin, for whom it is, and what brings it. */
export const pluginAdvice: readonly PluginAdvice[] = Object.entries(pluginKinds).map(
  ([name, { processors, install }]) => ({ name: name as PluginName, processors, install }),
);

/** A plugin that is installed. */
export interface InstalledPlugin {
  readonly name: PluginName;
  readonly file: string;
  /** The `site-packages` folder that has it. */
  readonly folder: string;
}

/** A plugin as the device opens it. */
export interface FoundPlugin {
  readonly file: string;
  /** Libraries to load before it. */
  readonly libraries: readonly string[];
  readonly createOptions: Readonly<Record<string, NamedValue>>;
  readonly flags: XlaFlags;
}

/** Which plugin is wanted. */
export interface PluginRequest {
  /** A kind, or the path of a library. Default: the first kind that is installed. */
  readonly plugin: string | undefined;
  readonly options: Readonly<Record<string, PluginOption>>;
  /** Folders to look in. Default: those of `python3`. */
  readonly folders: readonly string[] | undefined;
}

/**
 * The `site-packages` folders in which Python wheels of plugins may lie: those of the environments that `env` names (`VIRTUAL_ENV`,
 * `CONDA_PREFIX`), then those of the `python3` on the path. Nothing of Python runs later.
 */
export function pluginFolders(env: Readonly<Record<string, string | undefined>> = {}): string[] {
  const named = [env["VIRTUAL_ENV"], env["CONDA_PREFIX"]].flatMap((root) =>
    root ? sitePackagesIn(root) : [],
  );
  return [...new Set([...named, ...pythonFolders()])].filter((folder) => existsSync(folder));
}

function sitePackagesIn(root: string): string[] {
  const lib = join(root, "lib");
  const versions = existsSync(lib) ? readdirSync(lib).filter((name) => name.startsWith("python3")) : [];
  return [...versions.map((name) => join(lib, name, "site-packages")), join(root, "Lib", "site-packages")];
}

function pythonFolders(): string[] {
  const program = "import site; print('\\n'.join([*site.getsitepackages(), site.getusersitepackages()]))";
  const { status, stdout } = spawnSync("python3", ["-c", program], { encoding: "utf8", timeout: 20_000 });
  return status === 0 ? stdout.trim().split(/\r?\n/) : [];
}

/** The plugins in some folders, by kind. */
export function installedPlugins(folders: readonly string[]): InstalledPlugin[] {
  return (Object.keys(pluginKinds) as PluginName[]).flatMap((name) => {
    for (const folder of folders) {
      const file = pluginKinds[name].files.flatMap((pattern) => matchFiles(folder, pattern))[0];
      if (file !== undefined) return [{ name, file, folder }];
    }
    return [];
  });
}

/**
 * Finds a plugin and the libraries that must be loaded before it, the same as JAX loads.
 *
 * @throws VlmR1Error `unavailable` when it is not there, with what to install; `invalid-argument` for wrong options.
 */
export function findPlugin({ plugin, options, folders }: PluginRequest): FoundPlugin {
  const isPath = plugin !== undefined && !(plugin in pluginKinds);
  if (isPath) {
    if (!existsSync(plugin)) throw noSuchFile(plugin);
    const kind = kindOfFile(plugin);
    return opened(kind, plugin, sitePackagesOf(plugin, kind), options);
  }
  const searched = folders ?? pluginFolders();
  const installed = installedPlugins(searched);
  const found = installed.find(({ name }) => plugin === undefined || name === plugin);
  if (!found) throw notInstalled(plugin as PluginName | undefined, installed, searched);
  return opened(pluginKinds[found.name], found.file, found.folder, options);
}

function opened(
  kind: PluginKind,
  file: string,
  folder: string | undefined,
  options: Readonly<Record<string, PluginOption>>,
): FoundPlugin {
  const libraries = kind.preload.flatMap(([place, ...names]) =>
    folder === undefined ? [] : names.map((name) => join(folder, place, name)),
  );
  return {
    file,
    libraries: libraries.filter((library) => existsSync(library)),
    createOptions: clientOptions(kind, options),
    flags: kind === pluginKinds.cuda ? xlaFlags(folder) : {},
  };
}

/** The folder above the places where wheels put a file of this kind. */
function sitePackagesOf(file: string, { files }: PluginKind): string | undefined {
  const depth = files[0]?.split("/").length;
  return depth === undefined ? undefined : file.split(sep).slice(0, -depth).join(sep);
}

function noSuchFile(plugin: string): VlmR1Error {
  const names = Object.keys(pluginKinds).join(", ");
  return new VlmR1Error(
    "unavailable",
    `There is no plugin "${plugin}". Give one of ${names}, or the path of a library that exports GetPjrtApi.`,
  );
}

function notInstalled(
  plugin: PluginName | undefined,
  installed: readonly InstalledPlugin[],
  folders: readonly string[],
): VlmR1Error {
  const wanted = plugin === undefined ? Object.values(pluginKinds) : [pluginKinds[plugin]];
  const there = installed.length === 0 ? "" : ` Installed: ${installed.map(({ name }) => name).join(", ")}.`;
  const advice = wanted.map(({ processors, install }) => `${processors}: \`${install}\``).join("; ");
  const places = folders.length === 0 ? "no Python environment was found" : `looked in ${folders.join(", ")}`;
  return new VlmR1Error(
    "unavailable",
    `The device pjrt needs a plugin${plugin === undefined ? "" : ` "${plugin}"`}, which is not there: ${places}.${there} ` +
      `Install one (${advice}), or give the path of one as the option \`plugin\`. The device \`cpu\` needs nothing.`,
  );
}
