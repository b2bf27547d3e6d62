import { createRng, thousand, type Box, type Rng } from "@vlmr1/core";
import { evaluateCoco } from "@vlmr1/eval";
import { describe, expect, test } from "vitest";
import {
  ap50Reward,
  confidenceReward,
  hungarianF1Reward,
  mapReward,
  matchedIouReward,
  matchingReward,
  odLengthReward,
  progressivePrecisionReward,
  progressiveRecallReward,
  progressiveReward,
  type ObjectsTarget,
} from "../../src/index.ts";
import { assign } from "../../src/detection/matching.ts";
import { averagePrecision, type ApBox } from "../../src/detection/average-precision.ts";

const objects = [
  { box: [0, 0, 100, 100] as Box, label: "cat" },
  { box: [200, 0, 300, 100] as Box, label: "dog" },
];
const sample = { id: "8", prompt: "", images: [{ width: 400, height: 400 }], target: { objects } };
const nothing = { ...sample, target: { objects: [] } satisfies ObjectsTarget };

function wrote(...list: readonly (readonly [box: Box, label: string, confidence?: number])[]): string {
  const items = list.map(([box, label, confidence]) => ({ bbox_2d: box, label, confidence }));
  return `<answer>\`\`\`json\n${JSON.stringify(items)}\n\`\`\`</answer>`;
}
const cat: Box = [0, 0, 100, 100];
const dog: Box = [200, 0, 300, 100];
const perfect = wrote([cat, "Cat "], [dog, "dog"]);
const surplus = wrote([cat, "cat"], [dog, "dog"], [[0, 0, 9, 9], "bird"], [[0, 0, 9, 9], "bird"]);

const rewards = {
  map: mapReward(),
  ap50: ap50Reward(),
  odLength: odLengthReward(),
  matching: matchingReward(),
  matchedIou: matchedIouReward(),
  confidence: confidenceReward(),
  hungarianF1: hungarianF1Reward(),
  precision: progressivePrecisionReward(),
  recall: progressiveRecallReward(),
};

describe("every detection rule", () => {
  test.each(Object.entries(rewards))(
    "%s: a perfect answer 1, none 0, and nothing where nothing is only when said",
    (_, reward) => {
      expect(reward({ completion: perfect, sample })).toBeCloseTo(1, 12);
      expect(reward({ completion: "<answer>None</answer>", sample })).toBe(0);
      expect(reward({ completion: "<answer>None</answer>", sample: nothing })).toBe(1);
      expect(reward({ completion: "<answer>```json\n[]\n```</answer>", sample: nothing })).toBe(1);
      expect(reward({ completion: "<answer></answer>", sample: nothing })).toBe(0);
      expect(reward({ completion: perfect, sample: nothing })).toBe(0);
    },
  );
});

describe("surplus boxes", () => {
  test("are free in mAP, and cost by their share in odLength", () => {
    expect(rewards.map({ completion: surplus, sample })).toBeCloseTo(1, 12);
    expect(rewards.odLength({ completion: surplus, sample })).toBeCloseTo(0.5, 12);
  });

  test("cost in matching, F1, matched IoU and progressive precision", () => {
    expect(rewards.matching({ completion: surplus, sample })).toBeCloseTo(0.7 + 0.3 * 0.75, 12);
    expect(rewards.hungarianF1({ completion: surplus, sample })).toBeCloseTo((4 / 6 + 1) / 2, 12);
    expect(rewards.matchedIou({ completion: surplus, sample })).toBeCloseTo(2 / 3, 12); // the repeated bird is dropped
    expect(rewards.precision({ completion: surplus, sample })).toBeCloseTo(0.5, 12);
    expect(rewards.recall({ completion: surplus, sample })).toBe(1);
  });
});

test("wrong labels earn nothing but completeness", () => {
  const completion = wrote([cat, "dog"], [dog, "cat"]);
  expect(rewards.matching({ completion, sample })).toBeCloseTo(0.3, 12);
  expect(rewards.hungarianF1({ completion, sample })).toBe(0);
  expect(rewards.map({ completion, sample })).toBe(0);
});

test("confidence pays for knowing: sure and right, unsure and wrong", () => {
  const completion = wrote([cat, "cat", 0.9], [[300, 300, 310, 310], "dog", 0.2]);
  expect(rewards.confidence({ completion, sample })).toBeCloseTo((0.9 + 0.8) / 2, 12);
});

test("thresholds of the progressive rule rise at step 1500", () => {
  const completion = wrote([[0, 0, 100, 70], "cat"], [dog, "dog"]); // IoU 0.7 and 1
  const reward = progressiveReward();
  expect(reward({ completion, sample, step: 0 })).toBeCloseTo((0.85 + 1) / 2, 12);
  expect(reward({ completion, sample, step: 1500 })).toBeCloseTo((0.5 + 0.5) / 2, 12);
});

test("boxes are read in the model's frame", () => {
  const completion = wrote([[0, 0, 250, 250], "cat"], [[500, 0, 750, 250], "dog"]);
  expect(hungarianF1Reward({ frame: thousand })({ completion, sample })).toBeCloseTo(1, 12);
});

test("average precision of one image equals evaluateCoco", () => {
  const rng = createRng(11);
  for (let i = 0; i < 200; i++) {
    const truths = randomBoxes(rng, 1 + rng.integer(5), 0);
    const written = [...truths.map((truth) => jittered(rng, truth)), ...randomBoxes(rng, rng.integer(4), 1)];
    const labels = [...new Set(truths.map((truth) => truth.label))];
    const known = written.filter((box) => labels.includes(box.label));
    const xywh = ([x1, y1, x2, y2]: readonly number[]) =>
      [x1, y1, (x2 as number) - (x1 as number), (y2 as number) - (y1 as number)] as number[];
    const { stats } = evaluateCoco({
      annotations: {
        images: [{ id: 1 }],
        categories: labels.map((name, id) => ({ id: id + 1, name })),
        annotations: truths.map(({ box, label }, id) => {
          const bbox = xywh(box);
          return {
            id: id + 1,
            image_id: 1,
            category_id: labels.indexOf(label) + 1,
            bbox,
            area: (bbox[2] as number) * (bbox[3] as number),
          };
        }),
      },
      results: known.map(({ box, label, score = 1 }) => ({
        image_id: 1,
        category_id: labels.indexOf(label) + 1,
        bbox: xywh(box),
        score,
      })),
    });
    expect(averagePrecision(written, truths)).toBeCloseTo(Math.max(0, stats[0] as number), 12);
    expect(averagePrecision(written, truths, [0.5])).toBeCloseTo(Math.max(0, stats[1] as number), 12);
  }
});

function randomBoxes(rng: Rng, count: number, score: number): ApBox[] {
  return Array.from({ length: count }, () => {
    const [x, y] = [rng.integer(300), rng.integer(300)];
    const label = ["cat", "dog", "bird"][rng.integer(3)] as string;
    return {
      box: [x, y, x + 10 + rng.integer(90), y + 10 + rng.integer(90)],
      label,
      score: score === 0 ? 1 : rng.integer(3) / 2,
    };
  });
}

function jittered(rng: Rng, { box, label }: ApBox): ApBox {
  const moved = box.map((value) => value + rng.integer(15) - 7) as unknown as ApBox["box"];
  return { box: moved, label: rng.uniform() < 0.9 ? label : "dog", score: rng.integer(3) / 2 };
}

test("the assignment is the best one, against every permutation", () => {
  const rng = createRng(3);
  for (let i = 0; i < 200; i++) {
    const [rows, columns] = [1 + rng.integer(5), 1 + rng.integer(5)];
    const costs = Array.from({ length: rows }, () =>
      Array.from({ length: columns }, () => rng.integer(20) - 10),
    );
    const result = assign(costs);
    const taken = result.filter((column) => column >= 0);
    expect(new Set(taken).size).toBe(Math.min(rows, columns));
    const total = result.reduce(
      (sum, column, row) => sum + (column < 0 ? 0 : (costs[row]?.[column] as number)),
      0,
    );
    expect(total).toBe(cheapest(costs, 0, new Set(), Math.min(rows, columns)));
  }
});

function cheapest(
  costs: readonly (readonly number[])[],
  row: number,
  taken: ReadonlySet<number>,
  left: number,
): number {
  if (left === 0) return 0;
  if (row === costs.length) return Infinity;
  let best = cheapest(costs, row + 1, taken, left);
  (costs[row] as readonly number[]).forEach((cost, column) => {
    if (!taken.has(column))
      best = Math.min(best, cost + cheapest(costs, row + 1, new Set([...taken, column]), left - 1));
  });
  return best;
}
