import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Box } from "@vlmr1/core";
import { iouReward, mathEqual, readChoice, readNumber, readYesNo } from "@vlmr1/rewards";
import * as vlmR1 from "@vlmr1/rewards/vlm-r1";
import { runPythonPeer } from "./python-peer.ts";
import { median, moreIsBetter, type Benchmark, type BenchRow } from "./row.ts";

const fixtures = new URL("../../../packages/rewards/test/fixtures/", import.meta.url);

type MathPair = readonly [kind: string, truth: string, answer: string, equal: boolean, mathVerify: boolean];

/** Answers from public bug reports, with what each one says. */
interface ReportedAnswers {
  readonly box: readonly { readonly answer: string; readonly iou: number }[];
  readonly number: readonly { readonly answer: string; readonly reads: number | null }[];
  readonly choice: readonly { readonly answer: string; readonly reads: string | null }[];
  readonly yesNo: readonly { readonly answer: string; readonly reads: boolean | null }[];
}

/** How well answers are read: mathematics beside math-verify, reported answers beside the published rules. */
export const answers: Benchmark = {
  name: "answers",
  about:
    "verdicts on mathematical answers beside math-verify, and on reported answers beside the published rules",
  async run(say) {
    say("  mathematics");
    return [...(await mathRows(say)), ...reportedRows()];
  },
};

async function mathRows(say: (line: string) => void): Promise<BenchRow[]> {
  const path = fileURLToPath(new URL("math-pairs.json", fixtures));
  const pairs = JSON.parse(readFileSync(path, "utf8")) as readonly MathPair[];
  const rates: number[] = [];
  let verdicts: readonly boolean[] = [];
  for (let run = 0; run < 5; run++) {
    const before = process.cpuUsage();
    verdicts = pairs.map(([, truth, answer]) => mathEqual(answer, truth));
    const { user, system } = process.cpuUsage(before);
    rates.push(pairs.length / ((user + system) / 1e6));
  }
  const right = pairs.filter(([, , , equal], i) => verdicts[i] === equal).length;
  const agreed = pairs.filter(([, , , , mathVerify], i) => verdicts[i] === mathVerify).length;
  say("  math-verify in Python");
  const peer = await runPythonPeer("math-verify.py", ["--pairs", path]);
  const note = `math-verify 0.9.0 of Hugging Face; both give the same verdict on ${agreed}`;
  return [
    moreIsBetter({
      name: "mathematical answers judged right",
      unit: `of ${pairs.length}`,
      ours: right,
      ...(peer?.["right"] === undefined ? {} : { peer: peer["right"] }),
      note,
    }),
    moreIsBetter({
      name: "mathematical answers",
      unit: "1/s of CPU",
      ours: median(rates),
      ...(peer?.["per_second"] === undefined ? {} : { peer: peer["per_second"] }),
      note: "math-verify 0.9.0",
    }),
  ];
}

/** The share of reported answers that is read rightly; the published rules stand here as their TypeScript twins, equal by test. */
function reportedRows(): BenchRow[] {
  const reported = JSON.parse(readFileSync(new URL("field-cases.json", fixtures), "utf8")) as ReportedAnswers;
  const box: Box = [12, 30, 96, 80];
  const grounding = { id: "1", prompt: "", images: [{ width: 100, height: 100 }], target: { box } };
  const iou = iouReward();
  const asAnswer = (text: string): string => `<answer>${text}</answer>`;
  const row = <T extends { readonly answer: string }>(
    kind: string,
    rule: string,
    cases: readonly T[],
    ours: (one: T) => boolean,
    published: (one: T) => boolean,
  ): BenchRow =>
    moreIsBetter({
      name: `reported ${kind} read right`,
      unit: `of ${cases.length}`,
      ours: cases.filter(ours).length,
      peer: cases.filter(published).length,
      note: `VLM-R1's ${rule}`,
    });
  return [
    row(
      "boxes",
      "iou",
      reported.box,
      ({ answer, iou: wanted }) => iou({ completion: answer, sample: grounding }) === wanted,
      ({ answer, iou: wanted }) =>
        vlmR1.iouReward(asAnswer(answer), `<answer> [${box.join(", ")}] </answer>`) === wanted,
    ),
    row(
      "numbers",
      "numeric",
      reported.number,
      ({ answer, reads }) => (readNumber(answer) ?? null) === reads,
      ({ answer, reads }) =>
        (vlmR1.numericReward(asAnswer(answer), asAnswer(String(reads ?? 0))) === 1) === (reads !== null),
    ),
    row(
      "choices",
      "mcq",
      reported.choice,
      ({ answer, reads }) => (readChoice(answer) ?? null) === reads,
      ({ answer, reads }) => vlmR1.extractChoice(answer) === reads,
    ),
    row(
      "yes or no",
      "yes_no",
      reported.yesNo,
      ({ answer, reads }) => (readYesNo(answer) ?? null) === reads,
      ({ answer, reads }) =>
        [true, false].every(
          (said) => (vlmR1.yesNoReward(asAnswer(answer), said ? "yes" : "no") === 1) === (said === reads),
        ),
    ),
  ];
}
