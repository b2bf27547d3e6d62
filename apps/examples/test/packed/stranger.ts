import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);
const cache = resolve(import.meta.dirname, "../../node_modules/.cache/vlmr1-packed");

/** A machine of somebody who has Node and npm, and nothing of this repository. */
export interface Stranger {
  /** Node's version. */
  readonly node: string;
  readonly npm: string;
  readonly folder: string;
  /** Runs a program in the folder and gives its standard output; when it fails, all it wrote is the error's message. */
  run(command: string, ...args: string[]): Promise<string>;
}

/** npm as it comes with Node: the one that users of that version have. */
const npmOf: Readonly<Record<string, string>> = { 20: "10", 22: "10", 24: "11", 26: "12" };

/** Which versions of Node to try: VLMR1_PACKED_NODES, separated by commas, or this process's own. */
export function wantedNodes(): string[] {
  const own = process.versions.node.split(".")[0]!;
  return (process.env["VLMR1_PACKED_NODES"] ?? own).split(",");
}

/** An empty folder on a machine with this major version of Node. `registry` is the only address that its processes may open. */
export async function createStranger(node: string, registry: string): Promise<Stranger> {
  const folder = await mkdtemp(join(tmpdir(), "vlmr1-stranger-"));
  const path = [await nodeFolder(node), await npmFolder(npmOf[node] ?? "latest")];
  const environment = { ...cleanEnvironment(registry), PATH: [...path, process.env["PATH"]].join(delimiter) };
  const run = async (command: string, ...args: string[]): Promise<string> => {
    const windows = process.platform === "win32";
    const options = { cwd: folder, env: environment, maxBuffer: 1 << 26, shell: windows, timeout: 570_000 };
    try {
      return (await execute(command, args, options)).stdout;
    } catch (error) {
      const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
      throw new Error(`Node ${node}: ${command} ${args.join(" ")} failed:\n${stdout}\n${stderr}`, {
        cause: error,
      });
    }
  };
  await writeFile(join(folder, "package.json"), '{ "name": "stranger", "private": true }\n');
  const [version, npm] = [await run("node", "--version"), await run("npm", "--version")];
  return { node: version.trim(), npm: npm.trim(), folder, run };
}

/** This process's environment without what npm and the test runner put there. */
function cleanEnvironment(registry: string): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) =>
      !/^(npm_|vitest|pnpm_)/i.test(name) && !["NODE_OPTIONS", "INIT_CWD", "NODE_ENV"].includes(name),
  );
  const guard = resolve(import.meta.dirname, "only-loopback.cjs");
  return {
    ...Object.fromEntries(kept),
    npm_config_registry: registry,
    npm_config_update_notifier: "false",
    npm_config_audit: "false",
    NODE_OPTIONS: `--require ${JSON.stringify(guard)}`,
  };
}

/** The folder of a Node of this major version: this process's own, or the one that npm's `node` package carries. */
async function nodeFolder(major: string): Promise<string> {
  if (process.versions.node.split(".")[0] === major) return resolve(process.execPath, "..");
  const system = process.platform === "win32" ? "win" : process.platform;
  const name = `node-${system}-${process.arch}`;
  const folder = await tool(`node-${major}`, `${name}@${major}`);
  return join(folder, "node_modules", name, "bin");
}

async function npmFolder(major: string): Promise<string> {
  return join(await tool(`npm-${major}`, `npm@${major}`), "node_modules/.bin");
}

/** Installs a program from npm into a folder of its own, once. */
export async function tool(name: string, ...specifiers: string[]): Promise<string> {
  const folder = join(cache, name);
  if (existsSync(join(folder, "done"))) return folder;
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "package.json"), "{}\n");
  const args = ["install", "--no-audit", "--no-fund", ...specifiers];
  await execute("npm", args, { cwd: folder, shell: process.platform === "win32" });
  await writeFile(join(folder, "done"), "");
  return folder;
}

/** Packages of an npm installation that run a script when they are installed. */
export async function installScripts(folder: string): Promise<string[]> {
  const lock = JSON.parse(await readFile(join(folder, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<Record<string, { readonly hasInstallScript?: boolean }>>;
  };
  const scripted = Object.entries(lock.packages).filter(([, entry]) => entry.hasInstallScript === true);
  return scripted.map(([path]) => path.replace(/^.*node_modules\//, "")).toSorted();
}

/** Bytes under a folder. */
export async function sizeOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  const sizes = entries
    .filter((entry) => entry.isFile())
    .map(async (entry) => (await stat(join(entry.parentPath, entry.name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
