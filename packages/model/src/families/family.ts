import type { ImageProcessor } from "../images/processor.ts";
import type { Architecture } from "../network/architecture.ts";
import type { Rename } from "../weights/names.ts";

/** A kind of checkpoint: what `config.json` means, how older releases named the tensors, how images are prepared. */
export interface Family {
  /** Values of `model_type` in `config.json` that this family reads. */
  readonly modelTypes: readonly string[];
  /** Rules from names in files to canonical names, for example `visual.` to `model.visual.`. */
  readonly renames: readonly Rename[];
  /** Validates a parsed `config.json`. Throws `VlmR1Error` that names the field. */
  architecture(config: unknown): Architecture;
  /** Reads a parsed `preprocessor_config.json` (and `processor_config.json`). Absent for text-only families. */
  processor?(config: unknown, preprocessor: unknown, processor?: unknown): ImageProcessor;
}
