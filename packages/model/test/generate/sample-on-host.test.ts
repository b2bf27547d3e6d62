import { describe, expect, it } from "vitest";
import {
  inverseCdf,
  PLAIN_SAMPLING,
  processLogits,
  type SamplingOptions,
  softmax,
} from "../../src/generate/sampling.ts";
import { readFixture } from "../fixtures/read-fixture.ts";

interface ProcessorCase {
  readonly options: Partial<SamplingOptions>;
  readonly kept: readonly (readonly number[])[];
  readonly probabilities: readonly (readonly number[])[];
  readonly tied: readonly number[];
}

interface Fixture {
  readonly logits: readonly (readonly number[])[];
  readonly previous: readonly (readonly number[])[];
  readonly processors: readonly ProcessorCase[];
  readonly draws: readonly {
    readonly logits: readonly number[];
    readonly u: readonly number[];
    readonly index: readonly number[];
  }[];
}

const fixture = readFixture<Fixture>("sampling.json");

describe("processLogits", () => {
  it.each(fixture.processors.map((one) => [JSON.stringify(one.options), one] as const))(
    "equals transformers for %s",
    (_, one) => {
      fixture.logits.forEach((logits, row) => {
        if (one.tied.includes(row)) return; // another member of the tie would be just as right
        const processed = processLogits(logits, fixture.previous[row] ?? [], {
          ...PLAIN_SAMPLING,
          ...one.options,
        });
        const kept = Array.from(processed.keys()).filter((i) => (processed[i] as number) > -Infinity);
        expect(kept).toEqual(one.kept[row]);
        softmax(processed).forEach((value, i) =>
          expect(value).toBeCloseTo(one.probabilities[row]?.[i] as number, 6),
        );
      });
    },
  );
});

describe("inverseCdf", () => {
  it("draws the index of the reference", () => {
    for (const { logits, u, index } of fixture.draws) {
      const probabilities = softmax(Float64Array.from(logits));
      expect(u.map((uniform) => inverseCdf(probabilities, uniform))).toEqual(index);
    }
  });

  it("never draws an impossible token, whatever rounding does", () => {
    expect(inverseCdf([0.5, 0.4999999, 0], 1 - 2 ** -32)).toBe(1);
    expect(inverseCdf([0, 1, 0], 0)).toBe(1);
  });
});
