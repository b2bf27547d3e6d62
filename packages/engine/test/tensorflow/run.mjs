/**
 * Runs the contract suite on the `tensorflow` device. Sets up what it needs in a folder of its own, once:
 * a Python environment with the tensorflow-cpu wheel, of which only the C library is used.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const version = "2.21.0";
const packageFolder = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const environment = join(packageFolder, ".venv-tensorflow");

function run(command, args, env = process.env) {
  const { status } = spawnSync(command, args, { cwd: packageFolder, stdio: "inherit", env });
  if (status !== 0) process.exit(status ?? 1);
}

function libraryFolder() {
  const lib = join(environment, "lib");
  if (!existsSync(lib)) return undefined;
  const python = readdirSync(lib).find((name) => name.startsWith("python3"));
  const folder = join(lib, python ?? "", "site-packages", "tensorflow");
  return existsSync(folder) ? folder : undefined;
}

if (libraryFolder() === undefined) {
  run("python3", ["-m", "venv", environment]);
  run(join(environment, "bin", "pip"), ["install", "--quiet", "--no-deps", `tensorflow-cpu==${version}`]);
}
const vitest = join(packageFolder, "..", "..", "node_modules", "vitest", "vitest.mjs");
run(process.execPath, [vitest, "run", "--config", "vitest.tensorflow.config.ts", ...process.argv.slice(2)], {
  ...process.env,
  VLMR1_TENSORFLOW: libraryFolder(),
  TF_CPP_MIN_LOG_LEVEL: "3",
});
