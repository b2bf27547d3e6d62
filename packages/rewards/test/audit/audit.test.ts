import { thousand, type Box } from "@vlmr1/core";
import { describe, expect, test } from "vitest";
import {
  audit,
  auditTable,
  choiceReward,
  confidenceReward,
  formatReward,
  iouReward,
  mapReward,
  odLengthReward,
  weightedSum,
} from "../../src/index.ts";

const images = [{ width: 640, height: 480 }];
const detection = {
  id: "1",
  prompt: "Find the cats and dogs.",
  images,
  target: {
    objects: [
      { box: [40, 60, 200, 300] as Box, label: "cat" },
      { box: [300, 100, 420, 260] as Box, label: "dog" },
      { box: [500, 300, 600, 400] as Box, label: "dog" },
    ],
  },
};
const grounding = {
  id: "2",
  prompt: "Where is the cat?",
  images,
  target: { box: [40, 60, 200, 300] as Box },
};
const question = { id: "3", prompt: "Which one?", images, target: { answer: "B" } };

async function paying(rows: ReturnType<typeof audit>): Promise<string[]> {
  return (await rows).filter((row) => row.beatsHonest).map((row) => row.exploit);
}

describe("audit", () => {
  test("finds that surplus guesses pay in mAP and not in odLength", async () => {
    expect(await paying(audit(mapReward(), { samples: [detection] }))).toContain("surplus guesses");
    expect(await paying(audit(odLengthReward(), { samples: [detection] }))).toEqual([]);
  });

  test("finds that zero confidence pays when only confidence is asked for", async () => {
    expect(await paying(audit(confidenceReward(), { samples: [detection] }))).toContain("unsure everywhere");
  });

  test("finds that a format alone pays nonsense", async () => {
    expect(await paying(audit(formatReward(), { samples: [grounding] }))).toContain("gibberish");
  });

  test("finds nothing in IoU with format, in any frame, nor in multiple choice", async () => {
    const score = weightedSum({ iou: iouReward(), format: [0.5, formatReward()] });
    expect(await paying(audit(score, { samples: [grounding] }))).toEqual([]);
    expect(
      await paying(audit(iouReward({ frame: thousand }), { samples: [grounding], frame: thousand })),
    ).toEqual([]);
    expect(await paying(audit(choiceReward(), { samples: [question] }))).toEqual([]);
  });

  test("averages over samples, sorts by what is earned, and prints a table", async () => {
    const rows = await audit(iouReward(), { samples: [grounding, grounding] });
    expect(rows.map((row) => row.earned)).toEqual(rows.map((row) => row.earned).toSorted((a, b) => b - a));
    expect(rows.find((row) => row.exploit === "whole image")?.earned).toBeCloseTo(
      (160 * 240) / (640 * 480),
      3,
    );
    expect(auditTable(rows).split("\n")).toHaveLength(rows.length + 2);
    expect(auditTable(rows)).toMatch(
      /\| whole image \| one box around everything \| 0\.125 \| 0\.\d+ \| no \|/,
    );
  });

  test("takes exploits from outside, and says what it needs", async () => {
    const rows = await audit(() => 1, {
      samples: [{ ...question, target: undefined }],
      exploits: () => ({
        honest: "x",
        exploits: [{ name: "y", description: "z", completion: "y", blind: true }],
      }),
    });
    expect(rows).toHaveLength(1);
    await expect(audit(() => 1, { samples: [] })).rejects.toThrow(/at least one sample/);
    await expect(audit(() => 1, { samples: [{ ...question, target: { mask: 1 } }] })).rejects.toThrow(
      /has fields \[mask\]/,
    );
  });
});
