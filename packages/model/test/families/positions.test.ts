import { describe, expect, it } from "vitest";
import { multimodalPositions, visionRotaryAngles } from "../../src/families/qwen-vision.ts";
import { attentionWindows } from "../../src/families/qwen2-5-vl.ts";
import { interpolatedRows } from "../../src/families/qwen3-vl.ts";
import { patchCoordinates } from "../../src/images/patches.ts";
import { checkImageTokens } from "../../src/images/processor.ts";
import { consecutivePositions, rotaryAxes } from "../../src/network/rotary.ts";

const IMAGE = 9;
const axesOf = (...call: Parameters<typeof multimodalPositions>): number[][] =>
  multimodalPositions(...call).axes.map((axis) => [...axis]);

describe("multimodalPositions", () => {
  it("puts an image between words as Qwen2-VL does", () => {
    const ids = [1, 1, 2, ...Array.from({ length: 6 }, () => IMAGE), 3, 1, 1];
    expect(axesOf(ids, IMAGE, [[1, 2, 3]])).toEqual([
      [0, 1, 2, 3, 3, 3, 3, 3, 3, 6, 7, 8],
      [0, 1, 2, 3, 3, 3, 4, 4, 4, 6, 7, 8],
      [0, 1, 2, 3, 4, 5, 3, 4, 5, 6, 7, 8],
    ]);
    expect(multimodalPositions(ids, IMAGE, [[1, 2, 3]]).next - ids.length).toBe(-3);
  });

  it("starts the second image after the longest side of the first", () => {
    const ids = [1, 1, IMAGE, IMAGE, 1, 1, IMAGE, IMAGE, IMAGE, IMAGE, 1, 1];
    const grids = [
      [1, 1, 2],
      [1, 2, 2],
    ] as const;
    expect(axesOf(ids, IMAGE, grids)).toEqual([
      [0, 1, 2, 2, 4, 5, 6, 6, 6, 6, 8, 9],
      [0, 1, 2, 2, 4, 5, 6, 6, 7, 7, 8, 9],
      [0, 1, 2, 3, 4, 5, 6, 7, 6, 7, 8, 9],
    ]);
  });

  it("gives the first answer token of a 640 x 480 photo its published position", () => {
    const ids = [
      ...Array.from({ length: 15 }, () => 1),
      ...Array.from({ length: 391 }, () => IMAGE),
      ...Array.from({ length: 60 }, () => 1),
    ];
    const { axes, next } = multimodalPositions(ids, IMAGE, [[1, 17, 23]]);
    expect(next).toBe(98);
    expect(next - ids.length).toBe(-368);
    expect(axes.map((axis) => Math.max(...axis.slice(15, 406)))).toEqual([15, 31, 37]);
  });

  it("keeps two images apart that follow each other without a word between", () => {
    expect(
      axesOf([IMAGE, IMAGE], IMAGE, [
        [1, 1, 1],
        [1, 1, 1],
      ])[0],
    ).toEqual([0, 1]);
  });

  it("counts words alone as 0, 1, 2, … on all axes", () => {
    expect(multimodalPositions([4, 5, 6], IMAGE, [])).toEqual(consecutivePositions(3));
  });

  it.each([
    ["too few placeholders", [IMAGE, 1], [[1, 1, 2]]],
    ["too many placeholders", [IMAGE, IMAGE, IMAGE], [[1, 1, 2]]],
    ["an image without placeholders", [1], [[1, 1, 1]]],
    ["placeholders without an image", [IMAGE], []],
  ] as const)("refuses %s", (_, ids, grids) => {
    expect(() => multimodalPositions(ids, IMAGE, grids)).toThrowError(/image placeholders \(token 9\)/);
  });
});

describe("checkImageTokens", () => {
  it("counts placeholders against features", () => {
    const image = { shape: [], grid: [1, 0, 0], tokens: 2, resized: { width: 1, height: 1 } } as const;
    expect(() => checkImageTokens([1, IMAGE, IMAGE], IMAGE, [image])).not.toThrow();
    expect(() => checkImageTokens([1, IMAGE], IMAGE, [image])).toThrowError(/1 image placeholders.*need 2/);
  });
});

describe("patchCoordinates", () => {
  it("walks through blocks of 2 x 2 patches", () => {
    const { rows, columns } = patchCoordinates([1, 4, 4], 2);
    expect([...rows]).toEqual([0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3]);
    expect([...columns]).toEqual([0, 1, 0, 1, 2, 3, 2, 3, 0, 1, 0, 1, 2, 3, 2, 3]);
  });
});

describe("attentionWindows", () => {
  it("cuts an 8 x 12 grid into a whole and a narrow window", () => {
    const { order, bounds } = attentionWindows([1, 8, 12], 2, 112, 14);
    expect([...order]).toEqual([
      0, 1, 2, 3, 6, 7, 8, 9, 12, 13, 14, 15, 18, 19, 20, 21, 4, 5, 10, 11, 16, 17, 22, 23,
    ]);
    expect(bounds).toEqual([0, 64, 96]);
  });

  it("cuts a 34 x 46 grid into 30 windows", () => {
    const { order, bounds } = attentionWindows([1, 34, 46], 2, 112, 14);
    expect(bounds.slice(0, 6)).toEqual([0, 64, 128, 192, 256, 320]);
    expect(bounds.slice(-4)).toEqual([1520, 1536, 1552, 1564]);
    expect(bounds.length).toBe(31);
    expect(Array.from(order.slice(0, 9))).toEqual([0, 1, 2, 3, 23, 24, 25, 26, 46]);
  });

  it("is a permutation of all cells for any grid", () => {
    for (const [rows, columns] of [
      [2, 2],
      [6, 10],
      [16, 16],
      [18, 4],
    ] as const) {
      const { order, bounds } = attentionWindows([1, rows, columns], 2, 112, 14);
      expect([...order].toSorted((a, b) => a - b)).toEqual(
        Array.from({ length: (rows * columns) / 4 }, (_, i) => i),
      );
      expect(bounds.at(-1)).toBe(rows * columns);
    }
  });
});

describe("interpolatedRows", () => {
  it("is the table itself when grid and table have the same side", () => {
    const { indices, weights } = interpolatedRows([1, 4, 4], 1, 4);
    expect(Array.from(indices.slice(0, 16))).toEqual(Array.from({ length: 16 }, (_, i) => i));
    expect(Array.from(weights.slice(0, 16))).toEqual(Array.from({ length: 16 }, () => 1));
  });

  it("reproduces a linear function of the position exactly in the middle", () => {
    const { indices, weights } = interpolatedRows([1, 3, 3], 1, 2); // table value: row + 10 * column
    const value = (patch: number): number =>
      [0, 1, 2, 3].reduce((sum, corner) => {
        const cell = indices[corner * 9 + patch]!;
        return sum + weights[corner * 9 + patch]! * (Math.floor(cell / 2) + 10 * (cell % 2));
      }, 0);
    expect(Array.from({ length: 9 }, (_, patch) => value(patch))).toEqual([
      0, 5, 10, 0.5, 5.5, 10.5, 1, 6, 11,
    ]);
  });

  it("has weights that add up to 1 and rows inside the table", () => {
    const { indices, weights } = interpolatedRows([1, 30, 42], 2, 48);
    for (let patch = 0; patch < 30 * 42; patch++) {
      const sum = [0, 1, 2, 3].reduce((total, corner) => total + weights[corner * 1260 + patch]!, 0);
      expect(Math.abs(sum - 1)).toBeLessThan(1e-6);
    }
    expect(Math.max(...indices)).toBe(48 * 48 - 1);
    expect(Math.min(...indices)).toBe(0);
  });
});

describe("rotaryAxes", () => {
  it("deals frequencies in chunks for Qwen2-VL", () => {
    expect(rotaryAxes(4, [2, 1, 1], false)).toEqual([0, 0, 1, 2]);
    const axes = rotaryAxes(64, [16, 24, 24], false);
    expect([axes[15], axes[16], axes[39], axes[40], axes[63]]).toEqual([0, 1, 1, 2, 2]);
  });

  it("interleaves them for Qwen3-VL: 24 time, 20 row, 20 column", () => {
    const axes = rotaryAxes(64, [24, 20, 20], true);
    expect(axes.slice(0, 6)).toEqual([0, 1, 2, 0, 1, 2]);
    expect(axes.slice(60)).toEqual([0, 0, 0, 0]);
    expect([0, 1, 2].map((axis) => axes.filter((each) => each === axis).length)).toEqual([24, 20, 20]);
  });

  it("is all time without sections", () => {
    expect(rotaryAxes(3, undefined, false)).toEqual([0, 0, 0]);
  });
});

describe("visionRotaryAngles", () => {
  it("is row times frequency, then column times frequency", () => {
    const angles = visionRotaryAngles([1, 2, 2], 2, 8, 10000); // frequencies 1 and 0.01
    const expected = [0, 0, 0, 0, 0, 0, 1, 0.01, 1, 0.01, 0, 0, 1, 0.01, 1, 0.01];
    expect([...angles].map((angle, i) => Math.abs(angle - expected[i]!) < 1e-8)).toEqual(
      expected.map(() => true),
    );
  });
});
