import { VlmR1Error, type FrameOf, type RewardFunction } from "@vlmr1/core";
import * as rewards from "@vlmr1/rewards";
import * as vlmR1 from "@vlmr1/rewards/vlm-r1";
import type { RunConfig } from "../config/run-config.ts";

/** A field of a sample's target that rules compare with. */
export type Truth = "box" | "objects" | "answer" | "solution" | "point";

/** What a name on the command line needs to become a reward. */
export interface RewardSettings {
  /** The frame in which the model writes boxes. */
  readonly frame?: FrameOf;
  /** The number behind the name: `iou-at-least:0.7`. */
  readonly value?: rewards.StepValue;
  /** The server of the rule `judge`. */
  readonly judge?: RunConfig["judge"];
}

/** A reward that can be named on the command line. */
export interface NamedReward {
  readonly about: string;
  /** The field that a sample's target must have. */
  readonly target: Truth | "none";
  /** The number that it takes behind its name, and whether that may follow the training step. */
  readonly number?: { readonly what: string; readonly follows?: true };
  readonly create: (settings: RewardSettings) => RewardFunction<never>;
}

type Create = NamedReward["create"];

function reward(
  target: NamedReward["target"],
  about: string,
  create: Create,
  number?: NamedReward["number"],
): NamedReward {
  return { about, target, create, ...(number && { number }) };
}

const threshold = { what: "a threshold", follows: true } as const;

/** The number behind a name that does not follow the step. */
function fixed({ value }: RewardSettings): number | undefined {
  return typeof value === "number" ? value : undefined;
}

/** How a coordinate reward reads: with the frame, when there is one. */
function reading({ frame }: RewardSettings): { frame?: FrameOf } {
  return frame === undefined ? {} : { frame };
}

function published(about: string, rule: vlmR1.PublishedRule): NamedReward {
  return reward("solution", `VLM-R1 as published: ${about}`, () => vlmR1.published(rule));
}

/** Every reward by name. The packages know no names: this table is the app's, and outside rewards need no entry. */
export const namedRewards: Readonly<Record<string, NamedReward>> = {
  iou: reward("box", "IoU of the answer's box with the true one, 0..1", (s) => rewards.iouReward(reading(s))),
  "iou-at-least": reward(
    "box",
    "1 when the IoU exceeds 0.5, or the number given",
    (s) => rewards.iouAtLeast(s.value ?? 0.5, reading(s)),
    threshold,
  ),
  giou: reward("box", "generalised IoU, -1..1", (s) => rewards.giouReward(reading(s))),
  diou: reward("box", "distance IoU, -1..1", (s) => rewards.diouReward(reading(s))),
  ciou: reward("box", "complete IoU, -1.5..1", (s) => rewards.ciouReward(reading(s))),
  "giou-below": reward(
    "box",
    "IoU, and GIoU below 0.5 or the number given",
    (s) => rewards.giouBelow(s.value ?? 0.5, reading(s)),
    threshold,
  ),
  "point-in-box": reward("box", "1 when the point, or the box's centre, lies in the true box", (s) =>
    rewards.pointInBox(reading(s)),
  ),
  "center-distance": reward("point", "how near the centre is, 0..1", (s) =>
    rewards.centerDistanceReward(reading(s)),
  ),
  map: reward("objects", "COCO AP of the listed objects, 0..1", (s) => rewards.mapReward(reading(s))),
  ap50: reward("objects", "AP at IoU 0.5, 0..1", (s) => rewards.ap50Reward(reading(s))),
  "od-length": reward("objects", "AP with a penalty for surplus boxes, 0..1", (s) =>
    rewards.odLengthReward(reading(s)),
  ),
  matching: reward("objects", "position, label and completeness of a matching", (s) =>
    rewards.matchingReward(reading(s)),
  ),
  "hungarian-f1": reward("objects", "F1 of the best one-to-one matching (Perception-R1)", (s) =>
    rewards.hungarianF1Reward(reading(s)),
  ),
  "matched-iou": reward("objects", "mean IoU of matched boxes (Visual-RFT)", (s) =>
    rewards.matchedIouReward(reading(s)),
  ),
  confidence: reward("objects", "calibrated confidence of matched boxes (Visual-RFT)", (s) =>
    rewards.confidenceReward(reading(s)),
  ),
  progressive: reward("objects", "precision and recall with rising thresholds (Vision-R1)", (s) =>
    rewards.progressiveReward(reading(s)),
  ),
  exact: reward("answer", "1 when the answer is the truth, word for word", () => rewards.exactReward()),
  "all-match": reward("answer", "1 when answer and truth agree without case and punctuation", () =>
    rewards.allMatchReward(),
  ),
  similarity: reward("answer", "Levenshtein ratio of answer and truth, 0..1", () =>
    rewards.similarityReward(),
  ),
  numeric: reward(
    "answer",
    "1 when the numbers agree",
    (s) => {
      const relative = fixed(s);
      return rewards.numericReward(relative === undefined ? {} : { relative });
    },
    { what: "the relative tolerance" },
  ),
  count: reward("answer", "1 when the count is right", () => rewards.countReward()),
  math: reward(
    "answer",
    "1 when both are mathematically equal",
    (s) => {
      const tolerance = fixed(s);
      return rewards.mathReward(tolerance === undefined ? {} : { tolerance });
    },
    { what: "the tolerance" },
  ),
  choice: reward("answer", "1 when the letter is right", () => rewards.choiceReward()),
  "yes-no": reward("answer", "1 when yes or no is right", () => rewards.yesNoReward()),
  format: reward("none", "1 for one thought and one answer, both closed", () => rewards.formatReward()),
  "format-vlm-r1": reward("none", "the think-answer format as VLM-R1 tests it", () =>
    rewards.formatReward({ variant: "vlm-r1" }),
  ),
  "tag-count": reward("none", "a quarter for each tag that occurs once", () => rewards.tagCountReward()),
  "tagged-parts": reward("none", "0.25 for a closed thought, 0.75 for a closed answer", () =>
    rewards.taggedPartsReward(),
  ),
  "soft-overlong": reward(
    "none",
    "0, falling to -1 before the longest length (512 or the number given)",
    (s) => {
      const maxLength = fixed(s) ?? 512;
      return rewards.softOverlongReward({ maxLength, cache: maxLength / 4 });
    },
    { what: "the longest length" },
  ),
  repetition: reward("none", "minus the share of repeated trigrams", () => rewards.repetitionReward()),
  "box-repetition": reward("none", "minus the share of repeated boxes", () => rewards.boxRepetitionReward()),
  judge: reward(
    "answer",
    "what another language model thinks of the answer, 0..1 (options judge.url, …)",
    judge,
  ),
  "vlm-r1/accuracy": reward(
    "solution",
    "VLM-R1 as published: each row by its own accu_reward_method, so that one run mixes tasks",
    () => vlmR1.publishedAccuracy(),
  ),
  "vlm-r1/default": published("accuracy by number, letter or text", vlmR1.defaultAccuracyReward),
  "vlm-r1/iou": reward("solution", "VLM-R1 as published: IoU with inclusive corners", () =>
    vlmR1.publishedIou(),
  ),
  "vlm-r1/mcq": published("multiple choice", vlmR1.mcqReward),
  "vlm-r1/yes-no": published("yes or no", vlmR1.yesNoReward),
  "vlm-r1/numeric": published("numbers", vlmR1.numericReward),
  "vlm-r1/math": published("mathematics", vlmR1.mathReward),
  "vlm-r1/all-match": published("whole text", vlmR1.allMatchReward),
  "vlm-r1/map": published("mAP", vlmR1.odReward),
  "vlm-r1/od-ap": published("mAP", vlmR1.odReward),
  "vlm-r1/od-ap50": published("AP50", vlmR1.odAp50Reward),
  "vlm-r1/od-length": published("odLength", vlmR1.odLengthReward),
  "vlm-r1/weighted-sum": published("position, label and completeness", vlmR1.weightedSumReward),
  "vlm-r1/detection-score": published("detection score", vlmR1.detectionScore),
  "vlm-r1/format": published("think-answer format", vlmR1.formatReward),
  "vlm-r1/format-rec": published("think-answer format with a box", vlmR1.formatRewardRec),
  "vlm-r1/repetition": published("repetition", vlmR1.repetitionReward),
  "vlm-r1/cosine": reward("none", "VLM-R1 as published: cosine of the length", () => vlmR1.publishedCosine()),
};

/** The rule `judge`: its server comes from the configuration, its key from the environment. */
function judge({ judge: server }: RewardSettings): RewardFunction<never> {
  if (!server?.url || !server.model)
    throw new VlmR1Error(
      "invalid-argument",
      "The reward judge asks another language model: say which with --judge-url and --judge-model.",
    );
  const { url: baseUrl, apiKeyEnv, timeoutMs, model, retries, concurrency, otherwise } = server;
  const apiKey = apiKeyEnv === undefined ? undefined : environmentKey(apiKeyEnv, "judge.apiKeyEnv");
  return rewards.judgeReward({
    baseUrl,
    model,
    timeoutMs,
    retries,
    concurrency,
    ...(apiKey !== undefined && { apiKey }),
    ...(otherwise !== undefined && { otherwise }),
  });
}

/** A key that the environment holds. @throws VlmR1Error `invalid-argument` when it does not. */
export function environmentKey(name: string, option: string): string {
  const key = process.env[name];
  if (key !== undefined) return key;
  throw new VlmR1Error("invalid-argument", `The environment variable ${name} (${option}) is not set.`);
}
