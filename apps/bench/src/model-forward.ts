import type { ForwardCase, ForwardRun } from "./model-forward-run.ts";
import { runIsolated } from "./model-isolated.ts";
import { runPythonPeer } from "./python-peer.ts";
import { lessIsBetter, moreIsBetter, type Benchmark, type BenchRow } from "./row.ts";

/** Prefill and decoding of SmolVLM-256M against transformers, 1, 4 and 8 prompts at once. */
export const modelForward: Benchmark = {
  name: "model-forward",
  about:
    "prefill (99 tokens, 64 of them visual) and decoding of the SmolVLM-256M shape against transformers, float32, 2 threads",
  async run(say) {
    const rows: BenchRow[] = [];
    for (const batch of [1, 4, 8]) {
      say(`  ${batch} prompts`);
      const options: ForwardCase = { shape: "smolvlm256", batch, tokens: 64, repeats: 3, threads: 2 };
      const ours = await runIsolated<ForwardRun>("model-forward-run.ts", options);
      const peer = await runPythonPeer("torch_forward.py", [
        "--shape",
        "smolvlm256",
        "--batch",
        String(batch),
      ]);
      rows.push(...compare(batch, ours, peer));
    }
    return rows;
  },
};

function compare(
  batch: number,
  ours: ForwardRun,
  peer: Readonly<Record<string, number>> | undefined,
): BenchRow[] {
  const note = "transformers 5.23";
  const name = `SmolVLM-256M, batch ${batch}`;
  const theirs = (value: number | undefined) => (value === undefined ? {} : { peer: value });
  const rate = (ms: number): number => (batch * 1000) / ms;
  const decoding = peer?.["decode_ms"];
  return [
    lessIsBetter({
      name: `${name}: prefill`,
      unit: "ms",
      ours: ours.prefillMs,
      note,
      ...theirs(peer?.["prefill_ms"]),
    }),
    moreIsBetter({
      name: `${name}: decoding`,
      unit: "tokens/s",
      ours: rate(ours.decodeMs),
      note,
      ...theirs(decoding === undefined ? undefined : rate(decoding)),
    }),
    lessIsBetter({
      name: `${name}: peak memory`,
      unit: "MB",
      ours: ours.peakMegabytes,
      note,
      ...theirs(peer?.["rss_mb"]),
    }),
  ];
}
