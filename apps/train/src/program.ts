import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of this package: source and compiled code lie at different depths inside it. */
const packageFolder = ((): string => {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json")) && folder !== dirname(folder)) folder = dirname(folder);
  return folder;
})();

/** The version of the app, and with it of the packages that it is published with. */
export const appVersion = (
  JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8")) as { version: string }
).version;

/** The warm start of `nano` that ships with the app: made by `vlmr1 demo --from-scratch`. */
export const shippedNano = join(packageFolder, "assets", "nano");

/** What made a result: this program and its packages, the library that computed, Node and the machine's kind. */
export function madeBy(runtime: string): string {
  return `vlmr1 ${appVersion}, ${runtime}, Node ${process.versions.node}, ${process.platform} ${process.arch}`;
}

/** How people start this program: what is published is compiled, source is run in a clone of the repository. */
export const programName = import.meta.url.endsWith(".ts") ? "npm run vlmr1 --" : "vlmr1";

/** A command line that starts this program, as a shell takes it. */
export function commandLine(args: readonly string[], program = programName): string {
  return [program, ...args.map(quoted)].join(" ");
}

/** An argument as a shell takes it. */
export function quoted(argument: string): string {
  return /^[\w./:=,@%+-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}
