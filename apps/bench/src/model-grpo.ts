import { runIsolated } from "./model-isolated.ts";
import type { GrpoCase, GrpoRun } from "./model-grpo-run.ts";
import { runPythonPeer } from "./python-peer.ts";
import { lessIsBetter, median, type Benchmark, type BenchRow } from "./row.ts";

interface Comparison {
  readonly name: string;
  readonly ours: GrpoCase;
  /** Arguments of the peer's script. */
  readonly peer: readonly string[];
  readonly rounds: number;
}

const nanoCase: GrpoCase = {
  shape: "nano",
  tiles: 1,
  prompts: 16,
  group: 8,
  tokens: 16,
  steps: 20,
  warmUp: 3,
  threads: 2,
};
const smolCase: GrpoCase = {
  shape: "smolvlm256",
  tiles: 1,
  prompts: 1,
  group: 8,
  tokens: 64,
  steps: 2,
  warmUp: 1,
  threads: 2,
};
const smolPeer = ["--shape", "smolvlm256", "--lora", "--freeze-vision", "--cache-vision", "--pack"];

const againstLoop: readonly Comparison[] = [
  {
    name: "GRPO step, nano, 16 prompts x 8",
    ours: nanoCase,
    peer: ["--shape", "nano", "--freeze-vision", "--cache-vision", "--steps", "20"],
    rounds: 7,
  },
  {
    name: "GRPO step, SmolVLM-256M LoRA, 1 x 8",
    ours: smolCase,
    peer: [...smolPeer, "--steps", "3", "--warmup", "1"],
    rounds: 2,
  },
  {
    name: "GRPO step, SmolVLM-256M LoRA, 1 x 8, 5 tiles",
    ours: { ...smolCase, tiles: 5 },
    peer: [...smolPeer, "--tiles", "5", "--steps", "3", "--warmup", "1"],
    rounds: 2,
  },
];

/** A step of TRL on the largest shape takes minutes and is left out. */
const againstTrl: readonly Comparison[] = [
  {
    name: "GRPO step, nano, 16 prompts x 8",
    ours: nanoCase,
    peer: ["--shape", "nano", "--freeze-vision", "--steps", "8"],
    rounds: 1,
  },
  {
    name: "GRPO step, SmolVLM-256M LoRA, 1 x 8",
    ours: smolCase,
    peer: ["--shape", "smolvlm256", "--lora", "--steps", "2", "--warmup", "1"],
    rounds: 1,
  },
];

/** One whole GRPO step against the plain PyTorch loop that shares images and prompts as well, images cached on both sides. */
export const modelGrpo: Benchmark = {
  name: "model-grpo",
  about:
    "one GRPO step (answers, then update) against a plain PyTorch loop, float32, 2 threads, in turns (about 17 minutes)",
  async run(say) {
    const rows: BenchRow[] = [];
    for (const comparison of againstLoop)
      rows.push(...(await compare(comparison, "torch_grpo.py", "plain PyTorch 2.13 loop", say)));
    return [...rows, await growth(say)];
  },
};

/** One whole GRPO step against TRL. */
export const modelTrl: Benchmark = {
  name: "model-trl",
  about: "one GRPO step (answers, then update) against TRL, float32, 2 threads (about 8 minutes)",
  async run(say) {
    const rows: BenchRow[] = [];
    for (const comparison of againstTrl)
      rows.push(...(await compare(comparison, "trl_grpo.py", "TRL 1.16", say)));
    return rows;
  },
};

/** What twice as many answers to the same long prompt cost. */
async function growth(say: (line: string) => void): Promise<BenchRow> {
  const name = "SmolVLM-256M LoRA, 5 tiles: update of 8 answers over that of 4";
  say(`  ${name}`);
  const updates: Record<4 | 8, number[]> = { 4: [], 8: [] };
  for (const group of [4, 8, 4, 8] as const) {
    const run = await runIsolated<GrpoRun>("model-grpo-run.ts", { ...smolCase, tiles: 5, group });
    updates[group].push(run.updateMs);
  }
  return { name, unit: "x", ours: median(updates[8]) / median(updates[4]), note: "goal: at most 1.5" };
}

/** Ours and the peer in turns, because the speed of a shared machine drifts; the median of the rounds. */
async function compare(
  { name, ours, peer, rounds }: Comparison,
  script: string,
  note: string,
  say: (line: string) => void,
): Promise<BenchRow[]> {
  say(`  ${name}`);
  const mine: GrpoRun[] = [];
  const theirs: Readonly<Record<string, number>>[] = [];
  for (let round = 0; round < rounds; round++) {
    mine.push(await runIsolated<GrpoRun>("model-grpo-run.ts", ours));
    const other = await runPythonPeer(script, peer);
    if (other) theirs.push(other);
  }
  const row = (part: string, unit: string, key: keyof GrpoRun, peerKey: string): BenchRow => {
    const figures = { name: `${name}: ${part}`, unit, ours: median(mine.map((run) => run[key])), note };
    const values = theirs.flatMap((run) => run[peerKey] ?? []);
    return lessIsBetter(values.length === 0 ? figures : { ...figures, peer: median(values) });
  };
  return [
    row("whole", "ms", "totalMs", "total_ms"),
    row("answers", "ms", "rolloutMs", "rollout_ms"),
    row("update", "ms", "updateMs", "update_ms"),
    row("peak memory", "MB", "peakMegabytes", "rss_mb"),
  ];
}
