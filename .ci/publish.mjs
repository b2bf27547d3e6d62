// Publishes the tarballs of a folder whose versions the registry does not have: node .ci/publish.mjs FOLDER [--dry-run]
import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";

const [folder, ...flags] = process.argv.slice(2);
const tarballs = readdirSync(folder).filter((name) => name.endsWith(".tgz"));
// Runtimes first, then libraries, then the app: nobody installs a package whose dependencies are not there yet.
const rank = (name) => (name.includes("onnxruntime") ? 0 : /^vlmr1-\d/.test(name) ? 2 : 1);
for (const file of tarballs.toSorted((a, b) => rank(a) - rank(b))) {
  const path = resolve(join(folder, file));
  const { name, version } = JSON.parse(
    execFileSync("tar", ["-xzOf", path, "package/package.json"], { encoding: "utf8" }),
  );
  if (
    spawnSync("npm", ["view", `${name}@${version}`, "version"], { encoding: "utf8" }).stdout.trim() ===
    version
  ) {
    console.log(`${name} ${version} is there`);
    continue;
  }
  const provenance = flags.includes("--dry-run") ? [] : ["--provenance"];
  execFileSync("npm", ["publish", path, "--access", "public", ...provenance, ...flags], { stdio: "inherit" });
}
