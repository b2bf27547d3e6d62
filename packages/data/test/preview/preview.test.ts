import { createRng, pixels, resized, thousand, unit, type Dataset, type Sample } from "@vlmr1/core";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { drawScenes, loadImage, preview } from "../../src/index.ts";

const rng = createRng(8);
const scenes = drawScenes({ rng, length: 40, answerFrame: thousand });

const gray = { width: 20, height: 10, data: new Uint8Array(600).fill(128) };
function datasetOf(...samples: readonly Partial<Sample>[]): Dataset {
  return {
    length: samples.length,
    get: async (index) => ({ id: `s${index}`, prompt: "p", images: [gray], target: {}, ...samples[index] }),
  };
}

describe("preview", () => {
  test("makes a PNG with a picture for every sample, in rows", async () => {
    const one = await loadImage((await preview(scenes, { count: 1 })).png);
    const eight = await loadImage((await preview(scenes, { count: 8 })).png);
    expect(eight.width).toBeGreaterThan(3.9 * (one.width - 18));
    expect(eight.height).toBeGreaterThan(1.8 * (one.height - 60));
    expect((await sharp((await preview(scenes, { count: 1 })).png).metadata()).format).toBe("png");
  });

  test("draws the target in its colour where it is, and nothing of it elsewhere", async () => {
    // The picture of 20x10 is shown 300 wide: 15 pixels each, right of a ruler of 40 and below one of 24 + the
    // headline.
    const { png } = await preview(datasetOf({ target: { box: [4, 2, 10, 8] } }));
    const sheet = await loadImage(png);
    const colored: [number, number][] = [];
    for (let i = 0; i < sheet.data.length; i += 3) {
      const [r, g, b] = [sheet.data[i]!, sheet.data[i + 1]!, sheet.data[i + 2]!];
      if (g > 200 && r < 90 && b > 130 && b < 200)
        colored.push([(i / 3) % sheet.width, Math.floor(i / 3 / sheet.width)]);
    }
    const left = 18 + 40;
    const xs = colored.map(([x]) => x);
    expect(Math.abs(Math.min(...xs) - (left + 4 * 15))).toBeLessThanOrEqual(2);
    expect(Math.abs(Math.max(...xs) - (left + 10 * 15))).toBeLessThanOrEqual(3);
    const ys = colored.map(([, y]) => y).filter((y) => y > 130); // below the label
    expect(Math.max(...ys) - (46 + 24)).toBeGreaterThanOrEqual(8 * 15 - 2);
    expect(Math.max(...ys) - (46 + 24)).toBeLessThanOrEqual(8 * 15 + 2);
  });

  test("the page shows prompts, answers, kinds and the rulers of the model's frame, and loads nothing", async () => {
    const { html } = await preview(scenes, { count: 3, frame: thousand });
    const sample = await scenes.get(2);
    expect(html).toContain(`<h2>${sample.prompt}</h2>`);
    expect(html).toContain(
      sample.answer!.replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;"),
    );
    expect(html).toContain(`<span class="group">${sample.group}</span>`);
    expect(html).toContain(">1000</text>");
    expect(html).toContain("thousandths of width and height, 0 to 1000");
    expect(html).toContain("prefers-color-scheme: dark");
    expect(html.replaceAll("http://www.w3.org/2000/svg", "")).not.toMatch(
      /https?:|<script|<link|@import|url\(/,
    );
  });

  test.each([
    ["pixels", pixels, "64"],
    ["unit", unit, "0.75"],
    [
      "resized",
      (image: { width: number; height: number }) => resized({ width: 112, height: 112 }, image),
      "112",
    ],
  ] as const)("rulers count in %s", async (_, frame, mark) => {
    expect((await preview(scenes, { count: 1, frame })).html).toContain(`>${mark}</text>`);
  });

  test("is silent when answers lie on their targets, and warns when they are in another frame", async () => {
    expect((await preview(scenes, { frame: thousand })).warnings).toEqual([]);
    const wrong = await preview(scenes, { frame: pixels });
    expect(wrong.warnings.map(({ id }) => id)).toContain("scene/0");
    expect(wrong.warnings[0]!.warning).toMatchInlineSnapshot(
      `"The answer leaves the image when read in this frame. Is it written in another?"`,
    );
    expect(wrong.html).toContain("Is it written in another?");
    const inside = await preview(datasetOf({ target: { box: [0, 0, 8, 8] }, answer: "[12, 1, 18, 9]" }));
    expect(inside.warnings).toEqual([
      {
        id: "s0",
        warning: "The answer misses the target when read in this frame. Is it written in another?",
      },
    ]);
    // The classic: pixels of the original read as pixels of the image that the processor resized to multiples of 28.
    const large = drawScenes({
      rng,
      length: 3,
      size: { width: 640, height: 480 },
      objectSizes: [[0.3, 0.4]],
    });
    const shrunk = await preview(large, { frame: (image) => resized({ width: 616, height: 476 }, image) });
    expect(shrunk.warnings.map(({ warning }) => warning.replace(/\d+/, "N"))).toContain(
      "The answer is up to N beside the target when read in this frame. Is it written in another?",
    );
    expect((await preview(large)).warnings).toEqual([]);
    const outside = await preview(datasetOf({ target: { box: [15, 0, 40, 8] } }));
    expect(outside.warnings).toEqual([{ id: "s0", warning: "The target leaves the image." }]);
  });

  test("shows text-only samples, several images, and targets of every shape", async () => {
    const { html, png } = await preview(
      datasetOf(
        { images: [], prompt: "no picture", target: { answer: 4 } },
        { images: [gray, gray], target: { objects: [{ box: [1, 1, 5, 5], label: "cat" }] } },
        { target: undefined },
        { target: { points: [1], nested: { deep: "x".repeat(1000) } } },
      ),
    );
    expect(html.match(/<svg /g)).toHaveLength(4);
    expect(html).toContain("{&quot;answer&quot;:4}");
    expect(html).toContain("cat [1, 1, 5, 5]");
    expect(png.length).toBeGreaterThan(1000);
  });

  test("shows markup and control characters of a dataset as text", async () => {
    const hostile = "<script>alert(\"1\")</script>\u0000\u0007 & 'q' <![CDATA[ ]]> &amp;";
    const { html, png } = await preview(
      datasetOf({
        id: hostile,
        prompt: hostile,
        answer: hostile,
        group: hostile,
        target: { answer: hostile, objects: [{ box: [1, 1, 5, 5], label: hostile }] },
      }),
      { title: hostile },
    );
    expect(html).not.toContain("<script");
    expect(html).not.toContain("\u0000");
    expect(png.length).toBeGreaterThan(1000);
  });

  test("searches a hostile answer in linear time", async () => {
    const start = performance.now();
    await preview(datasetOf({ answer: "[ 1, 2, 3 ".repeat(20_000) }, { answer: "[".repeat(200_000) }));
    expect(performance.now() - start).toBeLessThan(5000);
  });

  test("refuses an empty range and impossible sizes", async () => {
    await expect(preview(scenes, { first: 40 })).rejects.toThrow(
      "Nothing to preview: 0 samples from number 40 on",
    );
    await expect(preview(scenes, { count: 0 })).rejects.toThrow("Nothing to preview");
    await expect(preview(scenes, { columns: 0 })).rejects.toThrow("at least one column");
  });
});
