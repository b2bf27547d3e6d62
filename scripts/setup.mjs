// Installs the workspace with the pinned pnpm, on a machine that has only Node and npm. Quick when nothing changed.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";

const installed = "node_modules/.modules.yaml";
const upToDate =
  existsSync(installed) &&
  existsSync("node_modules/.bin/turbo") &&
  statSync(installed).mtimeMs > statSync("pnpm-lock.yaml").mtimeMs;

if (!upToDate) {
  const { packageManager } = JSON.parse(readFileSync("package.json", "utf8"));
  process.stderr.write(`Installing the workspace with ${packageManager} (once, about half a minute)\n`);
  const install = spawnSync(
    "npm",
    [
      "exec",
      "--yes",
      `--package=${packageManager}`,
      "--",
      "pnpm",
      "install",
      "--frozen-lockfile",
      "--reporter=append-only",
    ],
    { stdio: ["ignore", 2, 2], shell: process.platform === "win32" },
  );
  if (install.status !== 0) process.exit(install.status ?? 1);
}
