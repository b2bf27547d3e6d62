import { pixels, resized, thousand, unit, type FrameKind, type FrameOf } from "@vlmr1/core";
import type { ImageProcessor } from "../images/processor.ts";
import type { Architecture } from "../network/architecture.ts";
import type { Rename } from "../weights/names.ts";

/** A kind of checkpoint: what `config.json` means, how older releases named the tensors, how images are prepared. */
export interface Family {
  /** Values of `model_type` in `config.json` that this family reads. */
  readonly modelTypes: readonly string[];
  /**
   * The coordinates in which its models were trained to write boxes: `resized` (pixels of the picture as the processor resizes
   * it), `thousand` (0..1000), `unit` (0..1) or `pixels` (of the original). `unit` for families that were not trained on boxes.
   */
  readonly boxFrame: FrameKind;
  /** Rules from names in files to canonical names, for example `visual.` to `model.visual.`. */
  readonly renames: readonly Rename[];
  /** Validates a parsed `config.json`. Throws `VlmR1Error` that names the field. */
  architecture(config: unknown): Architecture;
  /** Reads a parsed `preprocessor_config.json` (and `processor_config.json`). Absent for text-only families. */
  processor?(config: unknown, preprocessor: unknown, processor?: unknown): ImageProcessor;
}

/** A frame for pictures of any size, as this processor sees them. Without a processor nothing is resized. */
export function boxFrameOf(kind: FrameKind, processor: ImageProcessor | undefined): FrameOf {
  if (kind === "resized" && processor) return (image) => resized(processor.layout(image).resized, image);
  if (kind === "thousand") return thousand;
  return kind === "unit" ? unit : pixels;
}
