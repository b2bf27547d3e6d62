// Packs what is published into a folder of tarballs: node .ci/pack.mjs FOLDER [--all-platforms] [--notices FILE]
// Every public package of the workspace (built before: npm run build), and ONNX Runtime's files for this platform or for all.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";

/** Of onnxruntime-node's files, those that computing on a CPU needs; the others are for GPUs, or copies. */
const runtimeFiles = {
  "darwin-arm64": { library: "libonnxruntime.1.dylib" },
  "linux-arm64": { library: "libonnxruntime.so.1", libc: "glibc" },
  "linux-x64": { library: "libonnxruntime.so.1", libc: "glibc" },
  "win32-arm64": { library: "onnxruntime.dll" },
  "win32-x64": { library: "onnxruntime.dll" },
};

const root = resolve(import.meta.dirname, "..");
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { "all-platforms": { type: "boolean", default: false }, notices: { type: "string" } },
});
if (positionals.length !== 1)
  throw new Error("Usage: node .ci/pack.mjs FOLDER [--all-platforms] [--notices FILE]");
const out = resolve(positionals[0]);
mkdirSync(out, { recursive: true });
for (const group of ["packages", "apps"])
  for (const name of readdirSync(join(root, group))) packMember(join(root, group, name));
const here = `${process.platform}-${process.arch}`;
for (const platform of options["all-platforms"] ? Object.keys(runtimeFiles) : [here])
  if (platform in runtimeFiles) packRuntime(platform);

function packMember(directory) {
  if (readJson(join(directory, "package.json")).private) return;
  const notice = join(directory, "NOTICE"); // pnpm adds the workspace's LICENSE by itself, but not its NOTICE
  cpSync(join(root, "NOTICE"), notice);
  try {
    run("pnpm", ["pack", "--pack-destination", out], directory);
  } finally {
    rmSync(notice);
  }
}

/** Makes the package @vlmr1/onnxruntime-PLATFORM out of the files that Microsoft published in onnxruntime-node. */
function packRuntime(platform) {
  const engine = join(root, "packages/engine/package.json");
  const source = dirname(createRequire(engine).resolve("onnxruntime-node/package.json"));
  const { version, license } = readJson(join(source, "package.json"));
  const name = `@vlmr1/onnxruntime-${platform}`;
  const wanted = readJson(engine).optionalDependencies[name];
  if (wanted !== version)
    throw new Error(`${engine} asks for ${name} ${wanted}, but onnxruntime-node is ${version}.`);
  const folder = mkdtempSync(join(tmpdir(), "vlmr1-runtime-"));
  try {
    const [os, cpu] = platform.split("-");
    const { library, libc } = runtimeFiles[platform];
    for (const file of [library, "onnxruntime_binding.node"])
      cpSync(join(source, "bin/napi-v6", os, cpu, file), join(folder, file));
    cpSync(join(root, "packages/engine/onnxruntime/LICENSE"), join(folder, "LICENSE"));
    if (options.notices) cpSync(options.notices, join(folder, "ThirdPartyNotices.txt"));
    const { author, homepage, bugs, repository } = readJson(engine);
    const manifest = {
      name,
      version,
      description: `ONNX Runtime's library and Node binding for ${platform}, as Microsoft published them in onnxruntime-node`,
      keywords: ["onnxruntime"],
      homepage,
      bugs,
      license,
      author,
      repository,
      files: [library, "onnxruntime_binding.node", "ThirdPartyNotices.txt"],
      os: [os],
      cpu: [cpu],
      ...(libc && { libc: [libc] }),
      engines: { node: ">=20.19" },
      publishConfig: { access: "public" },
    };
    writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
    writeFileSync(join(folder, "README.md"), readme(name, version, platform));
    run("npm", ["pack", "--silent", "--pack-destination", out], folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readme(name, version, platform) {
  return `# ${name}

The two files of [onnxruntime-node](https://www.npmjs.com/package/onnxruntime-node) ${version} that computing on a CPU needs on ${platform}, unchanged:
no install script, no other platform's files. \`@vlmr1/engine\` installs this package by itself where it fits.

ONNX Runtime is by Microsoft, under the MIT licence. The notices of what it contains are in
[ThirdPartyNotices.txt](https://github.com/microsoft/onnxruntime/blob/v${version}/ThirdPartyNotices.txt).
`;
}

function readJson(path) {
  return JSON.parse(readFileSync(path, "utf8"));
}

function run(command, args, cwd) {
  const { status } = spawnSync(command, args, {
    cwd,
    stdio: ["ignore", "ignore", "inherit"],
    env: {
      ...process.env,
      PATH: `${join(root, "node_modules/.bin")}${process.platform === "win32" ? ";" : ":"}${process.env.PATH}`,
    },
    shell: process.platform === "win32",
  });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} in ${cwd} ended with ${status}.`);
}
