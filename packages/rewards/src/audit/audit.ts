import {
  VlmR1Error,
  type FrameOf,
  type RewardBreakdown,
  type RewardInput,
  type ScoredSample,
} from "@vlmr1/core";
import {
  targetAnswer,
  targetBox,
  targetObjects,
  type AnswerTarget,
  type BoxTarget,
  type ObjectsTarget,
} from "../target.ts";
import { answerExploits } from "./exploits.ts";
import { detectionExploits } from "./exploits.ts";
import type { Exploit, ExploitSet } from "./exploits.ts";
import { groundingExploits } from "./exploits.ts";

/** A reward, or a combination of rewards. */
export type Audited<Target> = (
  input: RewardInput<Target>,
) => number | RewardBreakdown | Promise<number> | Promise<RewardBreakdown>;

/** What an audit tries. */
export interface AuditOptions<Target> {
  /** Samples to try the exploits on; rows are means over them. */
  readonly samples: readonly ScoredSample<Target>[];
  /** The frame in which the model writes boxes, as given to the reward. Default pixels. */
  readonly frame?: FrameOf;
  /** The step at which to audit a reward that changes with training. */
  readonly step?: number;
  /**
   * Honest answer and exploits of a sample. Default: by the field that its target has, `objects`, `box` or
   * `answer`.
   */
  readonly exploits?: (sample: ScoredSample<Target>) => ExploitSet;
}

/** What one exploit would earn. */
export interface AuditRow {
  readonly exploit: string;
  readonly description: string;
  /** Mean over the samples. */
  readonly earned: number;
  /** Mean of the honest answers over the samples. */
  readonly honest: number;
  /**
   * More than the honest answer or, for an exploit without the honest answer in it, as much. Worth a look
   * before training.
   */
  readonly beatsHonest: boolean;
  /** The exploit as written for the first sample. */
  readonly example: string;
}

/**
 * Feeds a reward known exploits, before training finds them: surplus boxes, unknown labels, repeated
 * answers, whole-image boxes, hedging, silence, length padding. One row per exploit, worst first.
 *
 * The VLM-R1 paper (arXiv 2504.07615) shows what a detection reward that fails this does to training.
 *
 * @throws VlmR1Error `invalid-argument` without samples, or for a target of unknown kind when `exploits` is
 * not given.
 */
export async function audit<Target>(
  reward: Audited<Target>,
  options: AuditOptions<Target>,
): Promise<AuditRow[]> {
  const { samples, step } = options;
  if (samples.length === 0)
    throw new VlmR1Error("invalid-argument", "audit needs at least one sample, got none.");
  const sums = new Map<string, { readonly exploit: Exploit; earned: number; count: number }>();
  let honest = 0;
  for (const sample of samples) {
    const set = options.exploits?.(sample) ?? exploitsOf(sample, options.frame);
    const score = async (completion: string): Promise<number> => {
      const value = await reward({ completion, sample, ...(step === undefined ? {} : { step }) });
      return typeof value === "number" ? value : value.total;
    };
    honest += (await score(set.honest)) / samples.length;
    for (const exploit of set.exploits) {
      const entry = sums.get(exploit.name) ?? { exploit, earned: 0, count: 0 };
      entry.earned += await score(exploit.completion);
      entry.count++;
      sums.set(exploit.name, entry);
    }
  }
  return [...sums.values()]
    .map(({ exploit, earned, count }) => rowOf(exploit, earned / count, honest))
    .sort((a, b) => b.earned - a.earned);
}

/** The rows of an {@link audit} as a Markdown table. */
export function auditTable(rows: readonly AuditRow[]): string {
  const lines = rows.map(
    ({ exploit, description, earned, honest, beatsHonest }) =>
      `| ${exploit} | ${description} | ${earned.toFixed(3)} | ${honest.toFixed(3)} | ${beatsHonest ? "**yes**" : "no"} |`,
  );
  return [
    "| exploit | what it writes | earns | honest answer earns | pays |",
    "|---|---|--:|--:|---|",
    ...lines,
  ].join("\n");
}

/** Differences below this are rounding. */
const epsilon = 1e-9;

function rowOf({ name, description, blind, completion }: Exploit, earned: number, honest: number): AuditRow {
  const beatsHonest = blind ? earned >= honest - epsilon : earned > honest + epsilon;
  return { exploit: name, description, earned, honest, beatsHonest, example: completion };
}

function exploitsOf(sample: ScoredSample, frame: FrameOf | undefined): ExploitSet {
  const target: object = typeof sample.target === "object" && sample.target !== null ? sample.target : {};
  if ("objects" in target)
    return detectionExploits(sample, targetObjects(sample as ScoredSample<ObjectsTarget>), frame);
  if ("box" in target) return groundingExploits(sample, targetBox(sample as ScoredSample<BoxTarget>), frame);
  if ("answer" in target)
    return answerExploits(targetAnswer(sample as ScoredSample<AnswerTarget>), sample.prompt);
  throw new VlmR1Error(
    "invalid-argument",
    `audit knows exploits for targets with objects, box or answer; sample "${sample.id}" has fields [${Object.keys(target).join(", ")}]. ` +
      "Give the `exploits` option.",
  );
}
