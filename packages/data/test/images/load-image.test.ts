import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { deflateSync } from "node:zlib";
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
    expect(bomb.message).toContain("40000x40000 = 1600000000 pixels, more than maxPixels = 67108864");
    expect((await refusal(fixture("rgb.png"), 191)).code).toBe("limit");
    expect((await loadImage(fixture("rgb.png"), { maxPixels: 192 })).width).toBe(16);
  });

  test("names a missing file", async () => {
    const error = await refusal(fixture("absent.png"));
    expect(error.code).toBe("not-found");
    expect(error.message).toContain("absent.png");
  });

  test("refuses a folder", async () => {
    expect((await refusal(fixture("."))).message).toContain(", not a file");
  });

  test.skipIf(process.platform === "win32")("refuses a device instead of hanging", async () => {
    expect((await refusal("/dev/zero")).message).toContain(", not a file");
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

/** Files that public bug reports were about; the pixels are Pillow's, but for float01.tif, which Pillow makes black. */
describe("what data really hold", () => {
  const truth = JSON.parse(readFileSync(fixture("field.json"), "utf8")) as typeof expected;
  const errorIn = async (name: string): Promise<number> => {
    const options = name === "rot.jpg" ? { exifRotation: false } : {};
    const { data, width, height } = await loadImage(fixture(`field-${name}`), options);
    const pixels = Buffer.from(truth[name]!.data, "hex");
    expect([name, width, height, data.length]).toEqual([
      name,
      truth[name]!.width,
      truth[name]!.height,
      pixels.length,
    ]);
    return Math.max(...data.map((value, i) => Math.abs(value - pixels[i]!)));
  };

  test.each([
    ["noeoi.jpg", "a JPEG that lacks only its end marker", 0],
    ["prog-noeoi.jpg", "a progressive JPEG that lacks only its end marker", 0],
    ["float01.tif", "floating-point brightness of 0..1, which is not black", 0],
    ["float255.tif", "floating-point brightness of 0..255", 0],
    ["ycbcr.tif", "luminance and colour differences", 1],
    ["rot.jpg", "the pixels as they are stored, when EXIF rotation is switched off", 0],
  ])("%s: %s", async (name, _, tolerance) => {
    expect(await errorIn(name)).toBeLessThanOrEqual(tolerance);
  });

  test("is turned upright by default", async () => {
    const { width, height } = await loadImage(fixture("field-rot.jpg"));
    expect([width, height]).toEqual([36, 48]);
  });

  test("a JPEG that lacks half of itself stays an error", async () => {
    expect((await refusal(fixture("field-half.jpg"))).code).toBe("invalid-data");
    const whole = readFileSync(fixture("field-noeoi.jpg"));
    for (const missing of [40, 100, 300]) {
      expect((await refusal(whole.subarray(0, whole.length - missing))).code).toBe("invalid-data");
    }
  });

  test.each([
    ["field-plain.bmp", "BMP"],
    ["field-plain.jp2", "JPEG 2000"],
  ])("%s is named as unsupported", async (name, format) => {
    const { code, message } = await refusal(fixture(name));
    expect([code, message]).toEqual([
      "unsupported",
      expect.stringContaining(`has the format ${format}; JPEG, PNG`),
    ]);
  });

  test("a Git LFS pointer is named", async () => {
    const pointer = Buffer.from("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n");
    expect((await refusal(pointer)).message).toContain("a Git LFS pointer");
  });
});

describe("files that would take long", () => {
  /** A chunk of a PNG; the decoder checks the sum. */
  const chunk = (type: string, data: Uint8Array): Buffer => {
    const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
    const ends = Buffer.alloc(8);
    ends.writeUInt32BE(data.length, 0);
    ends.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
  };

  test("fifty compressed texts in a PNG are not unpacked", async () => {
    const png = readFileSync(fixture("rgb.png"));
    const packed = deflateSync(Buffer.alloc(1 << 25), { level: 9 });
    const text = chunk("zTXt", Buffer.concat([Buffer.from("Comment\0\0", "latin1"), packed]));
    const bomb = Buffer.concat([png.subarray(0, 33), ...Array<Buffer>(50).fill(text), png.subarray(33)]);
    const start = process.cpuUsage();
    expect(await loadImage(bomb)).toEqual(await loadImage(fixture("rgb.png")));
    expect(process.cpuUsage(start).user).toBeLessThan(500_000); // unpacking them takes 18 s
  });

  test("a JPEG of three thousand scans is refused unread", async () => {
    const jpeg = readFileSync(fixture("field-prog.jpg"));
    const scan = jpeg.subarray(jpeg.lastIndexOf(Buffer.from([0xff, 0xda])), -2);
    const bomb = Buffer.concat([jpeg.subarray(0, -2), ...Array<Buffer>(3000).fill(scan), jpeg.subarray(-2)]);
    const { code, message } = await refusal(bomb);
    expect([code, message]).toEqual([
      "limit",
      expect.stringMatching(/JPEG of 30\d\d scans, and at most 100/),
    ]);
  });
});

/** The checksum of PNG chunks (ISO 3309). */
function crc32(bytes: Uint8Array): number {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum >>> 0;
}
