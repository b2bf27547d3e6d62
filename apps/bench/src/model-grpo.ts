import { runIsolated } from "./model-isolated.ts";
import type { GrpoCase, GrpoRun } from "./model-grpo-run.ts";
import { runPythonPeer } from "./python-peer.ts";
import { lessIsBetter, type Benchmark, type BenchRow } from "./row.ts";

interface Comparison {
  readonly name: string;
  readonly ours: GrpoCase;
  /** Arguments of `torch_grpo.py`, the plain PyTorch loop that shares images and prompts as well. */
  readonly peer: readonly string[];
  /** Arguments of `trl_grpo.py`; a step of TRL on the largest shape takes minutes and is left out. */
  readonly trl?: readonly string[];
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
  steps: 3,
  warmUp: 1,
  threads: 2,
};
const smolPeer = ["--shape", "smolvlm256", "--lora", "--freeze-vision", "--cache-vision", "--pack"];

const comparisons: readonly Comparison[] = [
  {
    name: "GRPO step, nano, 16 prompts x 8",
    ours: nanoCase,
    peer: ["--shape", "nano", "--freeze-vision", "--cache-vision", "--steps", "20"],
    trl: ["--shape", "nano", "--freeze-vision", "--steps", "8"],
  },
  {
    name: "GRPO step, SmolVLM-256M LoRA, 1 x 8",
    ours: smolCase,
    peer: [...smolPeer, "--steps", "4", "--warmup", "1"],
    trl: ["--shape", "smolvlm256", "--lora", "--steps", "2", "--warmup", "1"],
  },
  {
    name: "GRPO step, SmolVLM-256M LoRA, 1 x 8, 5 tiles",
    ours: { ...smolCase, tiles: 5, steps: 2 },
    peer: [...smolPeer, "--tiles", "5", "--steps", "3", "--warmup", "1"],
  },
];

/** One whole GRPO step against the plain PyTorch loop, images cached on both sides. */
export const modelGrpo: Benchmark = {
  name: "model-grpo",
  about:
    "one GRPO step (answers, then update) against a plain PyTorch loop and against TRL, float32, 2 threads (about 15 minutes)",
  async run(say) {
    const rows: BenchRow[] = [];
    for (const { name, ours, peer, trl } of comparisons) {
      say(`  ${name}`);
      const mine = await runIsolated<GrpoRun>("model-grpo-run.ts", ours);
      rows.push(
        ...compare(name, mine, "plain PyTorch 2.13 loop", await runPythonPeer("torch_grpo.py", peer)),
      );
      if (trl) rows.push(...compare(name, mine, "TRL 1.16", await runPythonPeer("trl_grpo.py", trl)));
    }
    return rows;
  },
};

function compare(
  name: string,
  ours: GrpoRun,
  note: string,
  peer: Readonly<Record<string, number>> | undefined,
): BenchRow[] {
  const row = (part: string, unit: string, value: number, key: string): BenchRow => {
    const theirs = peer?.[key];
    const figures = { name: `${name}: ${part}`, unit, ours: value, note };
    return lessIsBetter(theirs === undefined ? figures : { ...figures, peer: theirs });
  };
  return [
    row("whole", "ms", ours.totalMs, "total_ms"),
    row("answers", "ms", ours.rolloutMs, "rollout_ms"),
    row("update", "ms", ours.updateMs, "update_ms"),
    row("peak memory", "MB", ours.peakMegabytes, "rss_mb"),
  ];
}
