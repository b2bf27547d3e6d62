/**
 * Runs the contract suite, gradients included, on the `pjrt` device: once for each plugin for CPUs that is a Python wheel. Sets up a Python
 * environment for each in a folder of its own, once; only the library inside the wheel is used. Ends with the count of tests.
 *
 *     npm run test:pjrt                        every plugin
 *     npm run test:pjrt -- contract            only test files whose name has this
 *     npm run test:pjrt -- --plugin PATH       this plugin instead
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const wheels = [
  { name: "fastatomstruct-xla-cpu", version: "2026.6.23", file: "fastatomstruct_xla_cpu/libpjrt_cpu.so" },
  {
    name: "lammps-jax-pjrt-cpu",
    version: "0.11.2",
    file: "lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so",
  },
];
const packageFolder = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

function run(command, args, env = process.env) {
  return spawnSync(command, args, { cwd: packageFolder, stdio: "inherit", env }).status ?? 1;
}

function libraryIn(environment, file) {
  const lib = join(environment, "lib");
  const python = existsSync(lib) ? readdirSync(lib).find((name) => name.startsWith("python3")) : undefined;
  const library = join(lib, python ?? "", "site-packages", file);
  return existsSync(library) ? library : undefined;
}

/** The path of a wheel's plugin, installed if it is not there. */
function install({ name, version, file }) {
  const environment = join(packageFolder, `.venv-${name}-${version}`);
  if (libraryIn(environment, file) === undefined) {
    const failed =
      run("python3", ["-m", "venv", environment]) ||
      run(join(environment, "bin", "pip"), ["install", "--quiet", "--no-deps", `${name}==${version}`]);
    if (failed) throw new Error(`${name} ${version} cannot be installed: it needs python3, venv and PyPI.`);
  }
  return libraryIn(environment, file);
}

/** Runs the suite on one plugin; numbers of tests that passed and failed. */
function suite(plugin, wheel, filters) {
  const report = join(packageFolder, `.venv-report-${process.pid}.json`);
  const vitest = join(packageFolder, "..", "..", "node_modules", "vitest", "vitest.mjs");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const status = run(
    process.execPath,
    [vitest, "run", "--config", "vitest.pjrt.config.ts", ...reporters, ...filters],
    { ...process.env, VLMR1_PJRT: plugin, VLMR1_PJRT_WHEEL: wheel, TF_CPP_MIN_LOG_LEVEL: "3" },
  );
  if (!existsSync(report)) return { passed: 0, failed: 1 };
  const { numPassedTests, numTotalTests } = JSON.parse(readFileSync(report, "utf8"));
  rmSync(report);
  const failed = numTotalTests - numPassedTests; // a skipped test counts as failed
  return { passed: numPassedTests, failed: status === 0 ? failed : Math.max(1, failed) };
}

const args = process.argv.slice(2);
const at = args.indexOf("--plugin");
const given = at < 0 ? undefined : args.splice(at, 2)[1];
let [passed, failed] = [0, 0];
for (const wheel of given === undefined ? wheels : [undefined]) {
  const title = wheel ? `${wheel.name} ${wheel.version}` : given;
  process.stdout.write(`== ${title}\n`);
  const counts = suite(wheel ? install(wheel) : given, title, args);
  passed += counts.passed;
  failed += counts.failed;
}
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);
