import type { ImageSize } from "./frame.ts";
import type { RgbImage } from "./image.ts";

/** What a reward may know of a sample: everything but the pixels. A full {@link Sample} is one. */
export interface ScoredSample<Target = unknown> {
  /** Unique in its dataset; named in errors and reports. */
  readonly id: string;
  /** What the user asks, without image placeholders: the model's chat template puts the images before it. */
  readonly prompt: string;
  /** The sizes of the images, in the order in which the model sees them; empty for a text-only sample. */
  readonly images: readonly ImageSize[];
  /** The truth that rewards compare with. Boxes are in pixels of the sample's own image. */
  readonly target: Target;
  /** What kind of prompt this is ("ordinal", "two-hop", …): reports break their numbers down by it. */
  readonly group?: string;
}

/** One question about zero or more pictures, with its truth. */
export interface Sample<Target = unknown> extends ScoredSample<Target> {
  readonly images: readonly RgbImage[];
  /** A system message, when the dataset has one. */
  readonly system?: string;
  /** A good completion, when the dataset has one: what supervised fine-tuning imitates. */
  readonly answer?: string;
}

/** Random access to samples; images are decoded when a sample is asked for. A custom dataset is an object with these two. */
export interface Dataset<Target = unknown> {
  readonly length: number;
  /** @throws VlmR1Error `invalid-argument` outside 0..length-1, `invalid-data` when the sample on disk is malformed. */
  get(index: number): Promise<Sample<Target>>;
}
