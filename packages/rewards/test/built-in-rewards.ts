import { pixels, thousand, type RewardFunction, type ScoredSample } from "@vlmr1/core";
import * as rewards from "../src/index.ts";
import * as vlmR1 from "../src/vlm-r1.ts";

/** One built-in reward with what its documentation promises. */
export interface BuiltIn {
  readonly name: string;
  readonly reward: RewardFunction<never>;
  readonly sample: ScoredSample;
  readonly range: readonly [low: number, high: number];
  /** A completion that earns the most. */
  readonly good: string;
}

const images = [{ width: 640, height: 480 }];
const answered = (answer: string): string => `<think>I look.</think>\n<answer>${answer}</answer>`;
const sampleOf = (target: unknown): ScoredSample => ({
  id: "7",
  prompt: "Where is the cat?",
  images,
  target,
});

const box = sampleOf({ box: [10, 20, 110, 220] });
const goodBox = answered('{"bbox_2d": [10, 20, 110, 220]}');
const objects = sampleOf({
  objects: [
    { box: [10, 20, 110, 220], label: "cat" },
    { box: [300, 200, 400, 300], label: "dog" },
  ],
});
const goodObjects = answered(
  '```json\n[{"bbox_2d": [10, 20, 110, 220], "label": "cat"}, {"bbox_2d": [300, 200, 400, 300], "label": "dog"}]\n```',
);
const answer = (truth: string | number): ScoredSample => sampleOf({ answer: truth });
const solution = (text: string): ScoredSample => sampleOf({ solution: `<answer> ${text} </answer>` });
const solutionObjects = solution(
  '```json\n[{"bbox_2d": [10, 20, 110, 220], "label": "cat"}, {"bbox_2d": [300, 200, 400, 300], "label": "dog"}]\n```',
);

type Row = readonly [
  name: string,
  reward: RewardFunction<never>,
  sample: ScoredSample,
  low: number,
  high: number,
  good: string,
];

const rows: readonly Row[] = [
  ["iouReward", rewards.iouReward(), box, 0, 1, goodBox],
  ["iouReward in pixels", rewards.iouReward({ frame: pixels }), box, 0, 1, goodBox],
  [
    "iouReward in thousandths",
    rewards.iouReward({ frame: thousand }),
    box,
    0,
    1,
    answered("[15.625, 41.667, 171.875, 458.333]"),
  ],
  ["iouAtLeast", rewards.iouAtLeast(0.5), box, 0, 1, goodBox],
  ["giouReward", rewards.giouReward(), box, -1, 1, goodBox],
  ["diouReward", rewards.diouReward(), box, -1, 1, goodBox],
  ["ciouReward", rewards.ciouReward(), box, -1.5, 1, goodBox],
  ["giouBelow", rewards.giouBelow(0.5), box, -1, 1, goodBox],
  ["pointInBox", rewards.pointInBox(), box, 0, 1, answered("(50, 50)")],
  ["centerDistanceReward", rewards.centerDistanceReward(), box, 0, 1, answered("(60, 120)")],
  ["mapReward", rewards.mapReward(), objects, 0, 1, goodObjects],
  ["ap50Reward", rewards.ap50Reward(), objects, 0, 1, goodObjects],
  ["odLengthReward", rewards.odLengthReward(), objects, 0, 1, goodObjects],
  ["odLengthReward of nothing", rewards.odLengthReward(), sampleOf({ objects: [] }), 0, 1, answered("None")],
  ["matchingReward", rewards.matchingReward(), objects, 0, 1, goodObjects],
  ["matchedIouReward", rewards.matchedIouReward(), objects, 0, 1, goodObjects],
  ["confidenceReward", rewards.confidenceReward(), objects, 0, 1, goodObjects],
  ["hungarianF1Reward", rewards.hungarianF1Reward(), objects, 0, 1, goodObjects],
  ["progressivePrecisionReward", rewards.progressivePrecisionReward(), objects, 0, 1, goodObjects],
  ["progressiveRecallReward", rewards.progressiveRecallReward(), objects, 0, 1, goodObjects],
  ["progressiveReward", rewards.progressiveReward(), objects, 0, 1, goodObjects],
  ["exactReward", rewards.exactReward(), answer("A dog."), 0, 1, answered("A dog.")],
  ["allMatchReward", rewards.allMatchReward(), answer("No Defect"), 0, 1, answered("no defect.")],
  ["similarityReward", rewards.similarityReward(), answer("the red car"), 0, 1, answered("the red car")],
  ["patternReward", rewards.patternReward(/^\s*\d+\s*$/), answer(""), 0, 1, answered("12")],
  ["numericReward", rewards.numericReward(), answer(42), 0, 1, answered("42")],
  ["countReward", rewards.countReward({ partial: true }), answer(3), 0, 1, answered("three")],
  ["mathReward", rewards.mathReward(), answer("\\frac{1}{2}"), 0, 1, answered("0.5")],
  ["choiceReward", rewards.choiceReward(), answer("B"), 0, 1, answered("(B)")],
  ["yesNoReward", rewards.yesNoReward(), answer("no"), 0, 1, answered("No.")],
  ["formatReward", rewards.formatReward(), box, 0, 1, goodBox],
  ["formatReward vlm-r1", rewards.formatReward({ variant: "vlm-r1" }), box, 0, 1, goodBox],
  [
    "formatReward open-r1",
    rewards.formatReward({ variant: "open-r1" }),
    box,
    0,
    1,
    "<think>\nx\n</think>\n<answer>\nx\n</answer>",
  ],
  ["formatReward trl", rewards.formatReward({ variant: "trl" }), box, 0, 1, goodBox],
  [
    "formatReward perception-r1",
    rewards.formatReward({ variant: "perception-r1" }),
    box,
    0,
    1,
    "<think>x</think><answer>x</answer>",
  ],
  ["tagCountReward", rewards.tagCountReward(), box, 0, 1, goodBox],
  ["taggedPartsReward", rewards.taggedPartsReward(), box, 0, 1, goodBox],
  [
    "cosineLengthReward",
    rewards.cosineLengthReward(rewards.iouAtLeast(), { maxLength: 1000 }),
    box,
    -1,
    1,
    goodBox,
  ],
  ["softOverlongReward", rewards.softOverlongReward({ maxLength: 100, cache: 20 }), box, -1, 0, goodBox],
  ["repetitionReward", rewards.repetitionReward(), box, -1, 0, goodBox],
  ["boxRepetitionReward", rewards.boxRepetitionReward(), objects, -1, 0, goodObjects],
  ["clip", rewards.clip(rewards.giouReward(), 0, 0.5), box, 0, 0.5, goodBox],
  ["gate", rewards.gate(rewards.formatReward(), rewards.iouReward()), box, 0, 1, goodBox],
  [
    "schedule",
    rewards.schedule([
      [0, rewards.iouReward()],
      [9, rewards.iouAtLeast()],
    ]),
    box,
    0,
    1,
    goodBox,
  ],
  ["vlm-r1 iouReward", vlmR1.publishedIou(), solution("[10, 20, 110, 220]"), -Infinity, Infinity, goodBox],
  [
    "vlm-r1 iouRewardGlm",
    vlmR1.published(vlmR1.iouRewardGlm),
    solution("[10, 20, 110, 220]"),
    -Infinity,
    Infinity,
    goodBox,
  ],
  ["vlm-r1 mapReward", vlmR1.published(vlmR1.mapReward), solutionObjects, 0, 1, goodObjects],
  ["vlm-r1 odReward", vlmR1.published(vlmR1.odReward), solutionObjects, 0, 1, goodObjects],
  ["vlm-r1 odAp50Reward", vlmR1.published(vlmR1.odAp50Reward), solutionObjects, 0, 1, goodObjects],
  ["vlm-r1 odLengthReward", vlmR1.published(vlmR1.odLengthReward), solutionObjects, 0, 1, goodObjects],
  [
    "vlm-r1 weightedSumReward",
    vlmR1.published(vlmR1.weightedSumReward),
    solutionObjects,
    -Infinity,
    Infinity,
    goodObjects,
  ],
  ["vlm-r1 repetitionReward", vlmR1.published(vlmR1.repetitionReward), solutionObjects, -1, 0, goodObjects],
  ["vlm-r1 mcqReward", vlmR1.published(vlmR1.mcqReward), solution("B"), 0, 1, answered("B")],
  ["vlm-r1 yesNoReward", vlmR1.published(vlmR1.yesNoReward), solution("no"), 0, 1, answered("no")],
  ["vlm-r1 numericReward", vlmR1.published(vlmR1.numericReward), solution("42"), 0, 1, answered("42")],
  ["vlm-r1 mathReward", vlmR1.published(vlmR1.mathReward), solution("1/2"), 0, 1, answered("0.5")],
  [
    "vlm-r1 allMatchReward",
    vlmR1.published(vlmR1.allMatchReward),
    solution("No Defect"),
    0,
    1,
    answered("no defect"),
  ],
  [
    "vlm-r1 defaultAccuracyReward",
    vlmR1.published(vlmR1.defaultAccuracyReward),
    solution("a red car"),
    0,
    1,
    answered("a red car"),
  ],
  ["vlm-r1 formatReward", vlmR1.published(vlmR1.formatReward), solution(""), 0, 1, goodBox],
  ["vlm-r1 formatRewardRec", vlmR1.published(vlmR1.formatRewardRec), solution(""), 0, 1, goodBox],
  [
    "vlm-r1 formatRewardRecInternVl",
    vlmR1.published(vlmR1.formatRewardRecInternVl),
    solution(""),
    0,
    1,
    goodBox,
  ],
  ["vlm-r1 formatRewardRecGlm", vlmR1.published(vlmR1.formatRewardRecGlm), solution(""), 0, 1, goodBox],
  ["vlm-r1 cosineReward", vlmR1.publishedCosine(), solution(""), 0.5, 1, ""],
];

/** Every reward of the package with a sample, its range and a completion that earns the most; the judge has a test of its own. */
export const builtInRewards: readonly BuiltIn[] = rows.map(([name, reward, sample, low, high, good]) => ({
  name,
  reward,
  sample,
  range: [low, high],
  good,
}));
