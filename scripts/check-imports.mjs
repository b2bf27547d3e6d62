// What each package and each room (a folder of src/) may import; docs/architecture.md draws it. Part of `npm run lint`.
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, posix, relative } from "node:path";
import { pathToFileURL } from "node:url";

/**
 * `packages`: the workspace packages that a package may import. `rooms`: for each room, the other rooms and the ground files (`x.ts`,
 * directly in src/) that it may import. Files directly in src/ that are not somebody's ground are the porch: they may import every room.
 */
export const rules = {
  core: { packages: [], rooms: { files: ["error.ts", "json-depth.ts"] } },
  engine: {
    packages: ["core"],
    ground: ["engine-types.ts", "host-data.ts", "precision.ts", "protobuf.ts", "tree.ts"],
    rooms: {
      graph: ["record", "ground"],
      record: ["graph", "kernels", "device", "ground"],
      kernels: ["graph", "ground"],
      transform: ["graph", "record", "ground"],
      device: ["graph", "ground"],
      onnx: ["graph", "ground"],
      cpu: ["device", "graph", "onnx", "record", "ground"],
      tensorflow: ["device", "graph", "record", "ground"],
      pjrt: ["device", "graph", "record", "ground"],
    },
  },
  data: {
    packages: ["core"],
    ground: ["prompts.ts"],
    rooms: {
      images: [],
      pickle: [],
      tables: [],
      dataset: ["images"],
      records: ["dataset", "images"],
      loaders: ["dataset", "images", "pickle", "records", "tables", "ground"],
      scenes: ["pickle", "ground"],
      preview: ["ground"],
    },
  },
  eval: { packages: ["core"], ground: ["statistics.ts"], rooms: { mask: [], coco: ["mask", "ground"] } },
  rewards: {
    packages: ["core", "eval"],
    ground: ["target.ts", "combine.ts", "judge.ts"],
    rooms: {
      read: ["target.ts"],
      shape: ["read"],
      reasoning: ["read", "ground"],
      detection: ["read", "ground"],
      published: ["read", "reasoning", "shape", "detection", "ground"],
      audit: ["ground"],
      scaffold: [],
    },
  },
  mpi: { packages: ["core"], rooms: {} },
  policy: {
    packages: ["core"],
    ground: ["clip-factor.ts", "nothing-unread.ts", "optimizer.ts", "policy-loss.ts", "policy.ts"],
    rooms: { testing: ["ground"] },
  },
  model: {
    packages: ["core", "engine", "policy"],
    ground: ["model.ts"],
    rooms: {
      network: [],
      weights: ["network"],
      images: ["network", "weights"],
      text: ["weights"],
      lora: ["network", "weights"],
      families: ["images", "network", "weights"],
      generate: ["images", "network", "weights"],
      train: ["generate", "images", "lora", "network", "text", "weights", "ground"],
    },
  },
  grpo: {
    packages: ["core", "policy"],
    ground: ["options.ts", "variant.ts"],
    rooms: {
      loss: ["ground"],
      optimizer: ["ground"],
      rollout: ["ground"],
      run: ["optimizer", "rollout", "ground"],
    },
  },
};

/** Native runtimes and decoders, and who may import them. */
const natives = {
  "onnxruntime-common": ["engine"],
  "onnxruntime-node": ["engine"],
  koffi: ["engine", "mpi"],
  sharp: ["data", "model"],
};

/** Sentences about the imports of one file that its place does not allow. `path` is relative to the root, with slashes. */
export function problemsOf(path, text) {
  const [, name, , ...inside] = path.split("/");
  const rule = rules[name];
  if (!rule) return [`${path}: ${name} is not in scripts/check-imports.mjs. Say there what it may import.`];
  const room = inside.length > 1 ? inside[0] : undefined;
  const problems = [];
  for (const [, from, dynamic] of text.matchAll(
    /^(?:import|export)\b[^;"]*?"([^"]+)";|\bimport\("([^"]+)"\)/gm,
  )) {
    const specifier = from ?? dynamic;
    const problem = specifier.startsWith(".")
      ? roomProblem(rule, name, room, posix.join(dirname(path), specifier))
      : packageProblem(rule, name, specifier);
    if (problem) problems.push(`${path}: ${problem}`);
  }
  return problems;
}

function packageProblem(rule, name, specifier) {
  const native = natives[specifier];
  if (native && !native.includes(name)) return `only ${native.join(" and ")} import ${specifier}.`;
  const other = /^@vlmr1\/([^/]+)/.exec(specifier)?.[1];
  if (other === undefined || other === name || rule.packages.includes(other)) return undefined;
  return `@vlmr1/${name} may not import @vlmr1/${other}; it may import ${list(rule.packages)}.`;
}

function roomProblem(rule, name, room, target) {
  if (room === undefined) return undefined; // the porch
  const allowed = rule.rooms[room];
  if (!allowed) return `the room ${room}/ is not in scripts/check-imports.mjs. Say there what it may import.`;
  const [, , , ...inside] = target.split("/");
  const isGround = inside.length === 1;
  const to = inside[0];
  if (to === room) return undefined;
  const ground = allowed.includes("ground") ? rule.ground : allowed;
  if (isGround ? ground.includes(to) : allowed.includes(to)) return undefined;
  return `${room}/ may not import ${isGround ? to : `${to}/`}; it may import ${list(allowed)} of ${name}.`;
}

function list(names) {
  return names.length === 0 ? "nothing" : names.join(", ");
}

function sources(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sources(path);
    return entry.name.endsWith(".ts") ? [path] : [];
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const page = readFileSync("docs/architecture.md", "utf8");
  const files = readdirSync("packages").flatMap((name) => sources(join("packages", name, "src")));
  const problems = files.flatMap((file) =>
    problemsOf(relative(".", file).replaceAll("\\", "/"), readFileSync(file, "utf8")),
  );
  for (const [name, { rooms }] of Object.entries(rules))
    for (const room of Object.keys(rooms))
      if (!page.includes(`\`${name}/${room}\``))
        problems.push(`docs/architecture.md has no paragraph about \`${name}/${room}\`.`);
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) console.error(`${problems.length} imports against docs/architecture.md.`);
  process.exitCode = problems.length > 0 ? 1 : 0;
}
