import { createRng } from "@vlmr1/core";
import { describe, expect, it } from "vitest";
import { decodeWeights, encodeWeights } from "../../src/weights/dtype.ts";

const halves = (...values: number[]): Uint8Array => new Uint8Array(Uint16Array.from(values).buffer);

function decode(bytes: Uint8Array, dtype: "F16" | "BF16"): number[] {
  const target = new Float32Array(bytes.length / 2);
  decodeWeights(bytes, dtype, target);
  return [...target];
}

function encode(dtype: "F16" | "BF16", ...values: number[]): number[] {
  return [...new Uint16Array(encodeWeights(Float32Array.from(values), dtype).slice().buffer)];
}

describe("float16", () => {
  it("decodes the landmarks of IEEE 754 binary16", () => {
    const values = decode(
      halves(0x0000, 0x8000, 0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x83ff, 0x7c00, 0xfc00, 0x3555),
      "F16",
    );
    const expected = [
      0,
      -0,
      1,
      -2,
      65504,
      2 ** -14,
      2 ** -24,
      -1023 * 2 ** -24,
      Infinity,
      -Infinity,
      0.333251953125,
    ];
    expect(values.map((value) => Object.is(value, -0))).toEqual(
      expected.map((value) => Object.is(value, -0)),
    );
    expect(values).toEqual(expected);
    expect(decode(halves(0x7e00), "F16")).toEqual([Number.NaN]);
  });

  it("encodes every float16 to itself", () => {
    const all = Uint16Array.from({ length: 1 << 16 }, (_, i) => i).filter(
      (half) => (half & 0x7c00) !== 0x7c00 || (half & 0x3ff) === 0,
    );
    const target = new Float32Array(all.length);
    decodeWeights(new Uint8Array(all.buffer), "F16", target);
    expect(encodeWeights(target, "F16")).toEqual(new Uint8Array(all.buffer));
  });

  it("rounds to nearest, ties to even, and overflows to infinity at 65520", () => {
    expect(
      encode(
        "F16",
        1 + 2 ** -11,
        1 + 3 * 2 ** -11,
        65519.996,
        65520,
        2 ** -25,
        2 ** -25 * 1.0001,
        1e-30,
        Number.NaN,
      ),
    ).toEqual([0x3c00, 0x3c02, 0x7bff, 0x7c00, 0x0000, 0x0001, 0x0000, 0x7e00]);
  });
});

describe("bfloat16", () => {
  it("decodes by a shift and encodes to nearest, ties to even", () => {
    expect(decode(halves(0x3f80, 0xc000, 0x7f80, 0x0001), "BF16")).toEqual([
      1,
      -2,
      Infinity,
      Math.fround(2 ** -133),
    ]);
    expect(encode("BF16", 1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -20, 3.4e38, Number.NaN)).toEqual([
      0x3f80, 0x3f82, 0x3f81, 0x7f80, 0x7fc0,
    ]);
  });

  it("is off by at most half a unit in the last place", () => {
    const rng = createRng(1);
    const values = Float32Array.from({ length: 2000 }, () => rng.normal() * 10 ** (8 * rng.uniform() - 4));
    const back = new Float32Array(values.length);
    decodeWeights(encodeWeights(values, "BF16"), "BF16", back);
    const worst = Math.max(...values.map((value, i) => Math.abs(back[i]! - value) / Math.abs(value)));
    expect(worst).toBeLessThanOrEqual(2 ** -8);
    expect(worst).toBeGreaterThan(2 ** -10);
  });

  it("reads bytes that start at an odd address", () => {
    const shifted = new Uint8Array([9, ...halves(0x3f80, 0xc000)]).subarray(1);
    expect(decode(shifted, "BF16")).toEqual([1, -2]);
  });
});
