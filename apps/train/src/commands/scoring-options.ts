import { pixels, thousand, unit, VlmR1Error, type FrameOf } from "@vlmr1/core";

const frames: Readonly<Record<string, FrameOf>> = { pixels, unit, thousand };

/**
 * The frame that `--frame` names, for commands that know no model.
 *
 * @throws VlmR1Error `invalid-argument` for another name.
 */
export function namedFrame(name: string): FrameOf {
  const frame = frames[name];
  if (frame) return frame;
  throw new VlmR1Error(
    "invalid-argument",
    `--frame is pixels, unit or thousand, got ${JSON.stringify(name)}.`,
  );
}

/** Collects `--reward`, which may be repeated and may hold several between commas. */
export function collectRewards(text: string, all: readonly string[]): string[] {
  return [...all, ...text.split(",")];
}
