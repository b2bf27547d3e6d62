import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { VlmR1Error } from "@vlmr1/core";
import { describe, expect, test } from "vitest";
import { loadImage } from "../../src/index.ts";

const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));

/** Written by Pillow 13: RGB after `exif_transpose`, alpha composited over white, 16-bit values shifted down by 8. */
const expected = JSON.parse(readFileSync(fixture("expected.json"), "utf8")) as Record<
  string,
  { width: number; height: number; data: string }
>;

/** Rounding of the decoder's colour transform (AVIF) and of the alpha product may differ by one. */
const tolerance: Record<string, number> = { "rgb.avif": 1, "alpha.png": 1, "alpha.webp": 1 };

async function refusal(source: string | Uint8Array, maxPixels?: number): Promise<VlmR1Error> {
  try {
    await loadImage(source, maxPixels === undefined ? {} : { maxPixels });
  } catch (error) {
    if (VlmR1Error.is(error)) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("loadImage", () => {
  test.each(Object.keys(expected))("decodes %s to Pillow's pixels", async (name) => {
    const image = await loadImage(fixture(name));
    const truth = expected[name]!;
    const pixels = Buffer.from(truth.data, "hex");
    expect([image.width, image.height, image.data.length]).toEqual([
      truth.width,
      truth.height,
      pixels.length,
    ]);
    const largest = Math.max(...image.data.map((value, i) => Math.abs(value - pixels[i]!)));
    expect(largest).toBeLessThanOrEqual(tolerance[name] ?? 0);
  });

  test("reads bytes like files", async () => {
    const bytes = readFileSync(fixture("rgb.jpg"));
    expect(await loadImage(bytes)).toEqual(await loadImage(fixture("rgb.jpg")));
    expect(await loadImage(new Uint8Array(bytes))).toEqual(await loadImage(fixture("rgb.jpg")));
  });

  test("refuses a header above the limit before it decodes, and names both numbers", async () => {
    const bomb = await refusal(fixture("header-only-bomb.png"));
    expect(bomb.code).toBe("limit");
    expect(bomb.message).toContain("40000x40000 = 1600000000 pixels, more than maxPixels = 178956970");
    expect((await refusal(fixture("rgb.png"), 191)).code).toBe("limit");
    expect((await loadImage(fixture("rgb.png"), { maxPixels: 192 })).width).toBe(16);
  });

  test("names a missing file", async () => {
    const error = await refusal(fixture("absent.png"));
    expect(error.code).toBe("not-found");
    expect(error.message).toContain("absent.png");
  });

  test("refuses a folder", async () => {
    expect((await refusal(fixture("."))).message).toContain("is not a file");
  });

  test.skipIf(process.platform === "win32")("refuses a device instead of hanging", async () => {
    expect((await refusal("/dev/zero")).message).toContain("is not a file");
  });

  test.each(Object.keys(expected))("never decodes a cut-off %s silently", async (name) => {
    const bytes = readFileSync(fixture(name));
    for (const share of [0, 0.1, 0.3, 0.5]) {
      expect((await refusal(bytes.subarray(0, bytes.length * share))).code).toBe("invalid-data");
    }
  });

  test("refuses formats that are programs", async () => {
    const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>';
    expect((await refusal(Buffer.from(svg))).code).toBe("unsupported");
  });

  test("turns flipped bits into a picture or a VlmR1Error, nothing else", async () => {
    for (const name of Object.keys(expected)) {
      const bytes = new Uint8Array(readFileSync(fixture(name)));
      for (let position = 0; position < bytes.length; position += 29) {
        const damaged = bytes.slice();
        damaged[position] = damaged[position]! ^ (1 << (position % 8));
        const outcome = await loadImage(damaged, { maxPixels: 1e6 }).catch((error: unknown) => error);
        const fine = VlmR1Error.is(outcome) || (outcome as { data?: unknown }).data instanceof Uint8Array;
        expect(fine, `${name}, byte ${position}`).toBe(true);
      }
    }
  });

  test("refuses a limit that is no number of pixels", async () => {
    for (const limit of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect((await refusal(fixture("rgb.png"), limit)).code).toBe("invalid-argument");
    }
  });
});
