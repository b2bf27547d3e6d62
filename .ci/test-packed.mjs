// Builds and packs every package, then uses the tarballs as a stranger would: npm run test:packed -- [--nodes 20,22,24,26] [--quick]
// --quick: this Node only, and the short tests.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({
  options: { nodes: { type: "string", default: "20,22,24,26" }, quick: { type: "boolean", default: false } },
});
const tarballs = mkdtempSync(join(tmpdir(), "vlmr1-packed-"));
const quick = ["packed.test.ts", "-t", "tarball|installs|gets every|'README.md|the app"];
try {
  run("npm", ["run", "--silent", "build"]);
  run(process.execPath, [".ci/pack.mjs", tarballs]);
  run(
    "npx",
    ["--no-install", "vitest", "run", "--config", "vitest.packed.config.ts", ...(options.quick ? quick : [])],
    {
      cwd: "apps/examples",
      env: {
        ...process.env,
        VLMR1_PACKED: tarballs,
        VLMR1_PACKED_NODES: options.quick ? process.versions.node.split(".")[0] : options.nodes,
      },
    },
  );
} finally {
  rmSync(tarballs, { recursive: true, force: true });
}

function run(command, args, options = {}) {
  const { status } = spawnSync(command, args, {
    stdio: "inherit",
    shell: process.platform === "win32",
    ...options,
  });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${status}.`);
}
