import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  createRng,
  resizeImage,
  VlmR1Error,
  type Box,
  type ResizeFilter,
  type RgbImage,
} from "../src/index.ts";

/** Made by Pillow 13: `Image.fromarray(pattern).resize(to, filter, box=box)`. */
interface PillowCase {
  readonly from: readonly [number, number];
  readonly to: readonly [number, number];
  readonly filter: ResizeFilter;
  readonly box?: Box;
  readonly sha256: string;
  readonly data?: readonly number[];
}
const cases = JSON.parse(
  readFileSync(new URL("fixtures/pillow-resize.json", import.meta.url), "utf8"),
) as readonly PillowCase[];

function pattern(width: number, height: number): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) data[i] = Math.imul(i, 2654435761) >>> 13;
  return { width, height, data };
}

function flat(width: number, height: number, value: number): RgbImage {
  return { width, height, data: new Uint8Array(width * height * 3).fill(value) };
}

describe("resizeImage", () => {
  const resized = ({ from, to: [width, height], filter, box }: PillowCase): RgbImage =>
    resizeImage(pattern(...from), box ? { width, height, box } : { width, height }, filter);

  test.each(cases)("equals Pillow: $from to $to, $filter, box $box", (item) => {
    const result = resized(item);
    expect([result.width, result.height]).toEqual(item.to);
    expect(createHash("sha256").update(result.data).digest("hex")).toBe(item.sha256);
  });

  test("equals Pillow byte for byte where the bytes are few enough to read", () => {
    for (const item of cases.filter(({ data }) => data)) expect([...resized(item).data]).toEqual(item.data);
  });

  test("keeps a flat colour flat at any size, whatever was resized before", () => {
    const rng = createRng(5);
    for (let i = 0; i < 60; i++) {
      const size = (): number => 1 + rng.integer(90);
      const value = rng.integer(256);
      const result = resizeImage(flat(size(), size(), value), { width: size(), height: size() }, "lanczos");
      expect(result.data.every((byte) => byte === value)).toBe(true);
    }
  });

  test("copies when nothing changes, so that the result is the caller's own", () => {
    const image = pattern(6, 4);
    const copy = resizeImage(image, { width: 6, height: 4 }, "bicubic");
    expect(copy).toEqual(image);
    expect(copy.data).not.toBe(image.data);
  });

  test("refuses what cannot be resized, with the value it found", () => {
    const image = pattern(6, 4);
    const refused = (action: () => unknown): string => {
      try {
        action();
      } catch (error) {
        if (VlmR1Error.is(error, "invalid-argument")) return error.message;
        throw error;
      }
      throw new Error("nothing was thrown");
    };
    expect(refused(() => resizeImage(image, { width: 0, height: 4 }, "box"))).toMatchInlineSnapshot(
      `"Cannot resize: the result's width and height must be positive integers, got 0x4."`,
    );
    expect(refused(() => resizeImage(image, { width: 2.5, height: 4 }, "box"))).toMatchInlineSnapshot(
      `"Cannot resize: the result's width and height must be positive integers, got 2.5x4."`,
    );
    expect(
      refused(() => resizeImage({ ...image, width: 7 }, { width: 2, height: 4 }, "box")),
    ).toMatchInlineSnapshot(`"Cannot resize: an image of 7x4 has 84 bytes of RGB data, got 72."`);
    expect(
      refused(() => resizeImage(image, { width: 2, height: 2, box: [0, 0, 7, 4] }, "box")),
    ).toMatchInlineSnapshot(`"Cannot resize: the box [0, 0, 7, 4] must lie inside the image of 6x4."`);
    expect(
      refused(() => resizeImage(image, { width: 2, height: 2 }, "nearest" as ResizeFilter)),
    ).toMatchInlineSnapshot(
      `"Cannot resize: the filter must be one of box, bilinear, hamming, bicubic, lanczos, got nearest."`,
    );
  });
});
