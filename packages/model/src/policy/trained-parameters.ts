import { VlmR1Error } from "@vlmr1/core";
import type { Architecture } from "../family.ts";

/**
 * What training changes: everything, the decoder (with embedding and head), a low-rank adapter, or the parameters that match one of
 * some patterns, where `*` stands for any text.
 */
export type TrainedPart = "all" | "language" | "lora" | readonly string[];

/** Whether a parameter belongs to the image side of a model. */
export function isVisionParameter({ vision }: Architecture, name: string): boolean {
  return vision?.prefixes.some((prefix) => name.startsWith(`${prefix}.`)) ?? false;
}

/** Whether `text` matches `glob`, where `*` stands for any text. Linear in both lengths for each star. */
export function matchesGlob(text: string, glob: string): boolean {
  const [first = "", ...rest] = glob.split("*");
  if (rest.length === 0) return text === glob;
  if (!text.startsWith(first)) return false;
  const last = rest.pop() as string;
  let at = first.length;
  for (const piece of rest) {
    const found = text.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}

/**
 * Names of the parameters that full training changes, in the order of the checkpoint.
 *
 * @throws VlmR1Error `invalid-argument` when a pattern matches nothing.
 */
export function trainedNames(architecture: Architecture, part: Exclude<TrainedPart, "lora">): string[] {
  const names = architecture.tensors.map(({ name }) => name);
  if (part === "all") return names;
  if (part === "language") return names.filter((name) => !isVisionParameter(architecture, name));
  for (const glob of part) {
    if (names.some((name) => matchesGlob(name, glob))) continue;
    throw new VlmR1Error(
      "invalid-argument",
      `train: "${glob}" matches no parameter. Names look like "${names[0]}".`,
    );
  }
  return names.filter((name) => part.some((glob) => matchesGlob(name, glob)));
}
