// Adds up vitest's machine-readable reports of all packages and prints `N passed, N failed, N skipped`.
import { existsSync, readFileSync, readdirSync } from "node:fs";
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
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exitCode = totals.failed > 0 || totals.passed === 0 ? 1 : 0;
