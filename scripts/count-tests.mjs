// Adds up vitest's machine-readable reports of all packages and prints `N passed, N failed, N skipped`. Fails when tests left something in
// the temporary folder: each run of vitest has a folder there, which it removes (scripts/test-folder.ts).
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const totals = { passed: 0, failed: 0, skipped: 0 };
for (const group of ["packages", "apps"])
  for (const name of readdirSync(group)) {
    const directory = join(group, name);
    if (!existsSync(join(directory, "test"))) continue;
    const file = join(directory, "test-report.json");
    if (!existsSync(file)) throw new Error(`${file} is missing: the tests of ${directory} did not run.`);
    const report = JSON.parse(readFileSync(file, "utf8"));
    totals.passed += report.numPassedTests;
    totals.failed +=
      report.numFailedTests +
      report.testResults.filter((r) => r.status === "failed" && r.assertionResults.length === 0).length;
    totals.skipped += report.numPendingTests + report.numTodoTests;
  }

const left = readdirSync(tmpdir()).filter((name) => {
  const owner = /^vlmr1-tests-(\d+)-/.exec(name)?.[1];
  return owner !== undefined && !isRunning(Number(owner));
});
for (const name of left) console.error(`Tests left ${join(tmpdir(), name)} behind.`);

console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exitCode = totals.failed > 0 || totals.passed === 0 || left.length > 0 ? 1 : 0;

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}
