import { readBoxes } from "./boxes.ts";
import type { Detection } from "./detections.ts";

/** The special tokens with which model families mark a phrase and its boxes. */
const dialects = [
  { opening: "<|object_ref_start|>", closing: "<|object_ref_end|>" }, // Qwen2-VL
  { opening: "<ref>", closing: "</ref>" }, // Qwen-VL, InternVL
] as const;

/** The boxes that follow each marked phrase up to the next one, labelled with it. */
export function readTaggedDetections(text: string): Detection[] {
  for (const { opening, closing } of dialects) {
    const found: Detection[] = [];
    let start = text.indexOf(opening);
    while (start >= 0) {
      const end = text.indexOf(closing, start);
      if (end < 0) break;
      const next = text.indexOf(opening, end);
      const label = text.slice(start + opening.length, end).trim();
      const boxes = readBoxes(text.slice(end + closing.length, next < 0 ? text.length : next));
      for (const box of boxes) found.push({ box, label });
      start = next;
    }
    if (found.length > 0) return found;
  }
  return [];
}
