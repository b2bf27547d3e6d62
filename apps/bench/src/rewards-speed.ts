import type { Box } from "@vlmr1/core";
import { formatReward, iouReward, odLengthReward } from "@vlmr1/rewards";
import { hostileCompletions } from "@vlmr1/rewards/testing";
import { runPythonPeer } from "./python-peer.ts";
import { lessIsBetter, median, moreIsBetter, type Benchmark, type BenchRow } from "./row.ts";

const completions = 50_000;
const runs = 5;

/** Rewards a second on one core, and the longest time for a megabyte of hostile text. */
export const rewardsSpeed: Benchmark = {
  name: "rewards",
  about: `IoU and format of ${completions} answers to referring expressions; a megabyte of everything hostile`,
  async run(say) {
    say(`  @vlmr1/rewards, ${runs} runs`);
    const [ours, total] = rewardsPerSecond();
    say("  the published rule in Python");
    const peer = await runPythonPeer("rewards.py", [
      "--completions",
      String(completions),
      "--reps",
      String(runs),
    ]);
    const difference = peer && Math.abs((peer["total"] as number) - total) / completions;
    const note = difference === undefined ? "" : `; mean scores differ by ${difference.toExponential(0)}`;
    say("  hostile text");
    const rate: BenchRow = moreIsBetter({
      name: "REC rewards (IoU and format)",
      unit: "1/s",
      ours,
      ...(peer?.["per_second"] === undefined ? {} : { peer: peer["per_second"] }),
      note: `VLM-R1's regular expressions in CPython${note}`,
    });
    return [rate, ...hostileRows()];
  },
};

/** The median rate, and the sum of the scores so that a peer can be compared. */
function rewardsPerSecond(): readonly [rate: number, total: number] {
  const cases = Array.from({ length: completions }, (_, i) => {
    const [x, y] = [i % 300, (i * 7) % 200];
    const completion = `<think>I compare the objects; number ${i} fits the description.</think>\n<answer>{"bbox_2d": [${x}, ${y}, ${x + 100}, ${y + 80}], "label": "cat"}</answer>`;
    const box: Box = [x + 5, y + 5, x + 105, y + 85];
    return {
      completion,
      sample: { id: String(i), prompt: "", images: [{ width: 640, height: 480 }], target: { box } },
    };
  });
  const [iou, format] = [iouReward(), formatReward({ variant: "vlm-r1" })];
  const rates: number[] = [];
  let total = 0;
  for (let run = 0; run < runs; run++) {
    const start = performance.now();
    total = 0;
    for (const input of cases) total += (iou(input) as number) + 0.5 * (format(input) as number);
    rates.push(cases.length / ((performance.now() - start) / 1000));
  }
  return [median(rates), total];
}

function hostileRows(): BenchRow[] {
  const images = [{ width: 640, height: 480 }];
  const box: Box = [10, 20, 110, 220];
  const grounding = { id: "1", prompt: "", images, target: { box } };
  const detection = { id: "2", prompt: "", images, target: { objects: [{ box, label: "cat" }] } };
  const [iou, odLength] = [iouReward(), odLengthReward()];
  const worst = (score: (completion: string) => unknown): readonly [number, string] => {
    let slowest: readonly [number, string] = [0, ""];
    for (const { name, text } of hostileCompletions()) {
      const times = Array.from({ length: 3 }, () => {
        const start = performance.now();
        score(text);
        return performance.now() - start;
      });
      if (median(times) > slowest[0]) slowest = [median(times), name];
    }
    return slowest;
  };
  const row = (name: string, [ours, kind]: readonly [number, string]): BenchRow =>
    lessIsBetter({ name, unit: "ms", ours, note: `slowest kind: ${kind}` });
  return [
    row(
      "a megabyte of hostile text, iouReward",
      worst((completion) => iou({ completion, sample: grounding })),
    ),
    row(
      "a megabyte of hostile text, odLengthReward",
      worst((completion) => odLength({ completion, sample: detection })),
    ),
  ];
}
