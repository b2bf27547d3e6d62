import type { DecoderConfig, Positions } from "../family.ts";
import { inverseFrequencies, rotaryTables, type RotaryTables } from "../layers/rotary.ts";

/** Rotary tables of tokens whose positions are given on three axes, `[n, headDim]` each. */
export function positionTables(decoder: DecoderConfig, axes: Positions["axes"]): RotaryTables {
  const half = decoder.headDim / 2;
  const frequencies = inverseFrequencies(decoder.ropeTheta, decoder.headDim);
  const length = axes[0].length;
  const angles = new Float32Array(length * half); // [n, headDim / 2]
  for (let i = 0; i < half; i++) {
    const axis = axes[decoder.rotaryAxes[i] as 0 | 1 | 2];
    const frequency = (frequencies[i] as number) * (decoder.frequencyScale?.[i] ?? 1);
    for (let at = 0; at < length; at++) angles[at * half + i] = (axis[at] as number) * frequency;
  }
  return rotaryTables(angles, half);
}
