import type { BenchRow, Benchmark } from "./row.ts";
import { setUpPythonPeers } from "./python-peer.ts";

/** Every benchmark by name. Each module is imported when it runs. */
const benchmarks: Readonly<Record<string, () => Promise<Benchmark>>> = {
  engine: async () => (await import("./engine.ts")).engineBenchmark,
  "eval-coco": async () => (await import("./eval-coco.ts")).evalCoco,
  rewards: async () => (await import("./rewards-speed.ts")).rewardsSpeed,
  answers: async () => (await import("./answers.ts")).answers,
  images: async () => (await import("./images.ts")).images,
  scenes: async () => (await import("./scenes.ts")).scenes,
  data: async () => (await import("./data-loaders.ts")).dataLoaders,
  "model-forward": async () => (await import("./model-forward.ts")).modelForward,
  "model-grpo": async () => (await import("./model-grpo.ts")).modelGrpo,
  "model-trl": async () => (await import("./model-grpo.ts")).modelTrl,
};

/** `npm run bench`: all benchmarks, or the named ones; `setup` installs the Python peers first. */
async function main(args: readonly string[]): Promise<number> {
  const json = args.includes("--json");
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const names = args.filter((argument) => !argument.startsWith("--"));
  if (names[0] === "setup") {
    await setUpPythonPeers(say);
    return 0;
  }
  const unknown = names.find((name) => !(name in benchmarks));
  if (unknown !== undefined) {
    say(
      `There is no benchmark named ${unknown}. There are: ${Object.keys(benchmarks).join(", ")}, and setup.`,
    );
    return 2;
  }
  const rows: BenchRow[] = [];
  for (const name of names.length > 0 ? names : Object.keys(benchmarks)) {
    const benchmark = await (benchmarks[name] as () => Promise<Benchmark>)();
    say(`${benchmark.name}: ${benchmark.about}`);
    rows.push(...(await benchmark.run(say)));
  }
  process.stdout.write(json ? `${JSON.stringify(rows)}\n` : table(rows));
  return 0;
}

function table(rows: readonly BenchRow[]): string {
  const number = (value: number | undefined): string =>
    value === undefined ? "–" : String(Number(value.toPrecision(4)));
  const cells = [
    ["", "ours", "peer", "unit", "ratio", ""],
    ...rows.map((row) => [
      row.name,
      number(row.ours),
      number(row.peer),
      row.unit,
      row.ratio === undefined ? "–" : `${row.ratio.toFixed(2)}x`,
      row.note ?? "",
    ]),
  ];
  const widths =
    cells[0]?.map((_, column) => Math.max(...cells.map((row) => (row[column] as string).length))) ?? [];
  return cells
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] as number))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

process.exitCode = await main(process.argv.slice(2));
