import { VlmR1Error } from "@vlmr1/core";
import type { ImageProcessor, ImageLayout } from "../family.ts";

/**
 * Replaces each image placeholder of a rendered prompt by the text that the processor makes of its image, in order.
 *
 * @throws VlmR1Error `invalid-argument` when the prompt has another number of placeholders than there are images.
 */
export function expandPlaceholders(
  text: string,
  processor: ImageProcessor,
  images: readonly ImageLayout[],
): string {
  const parts = text.split(processor.placeholder);
  if (parts.length - 1 !== images.length) {
    throw new VlmR1Error(
      "invalid-argument",
      `The prompt has ${parts.length - 1} image placeholders (${processor.placeholder}), but ${images.length} images were given. ` +
        "Give one image for each image part of the messages, and no placeholder inside the text.",
    );
  }
  return parts
    .map((part, index) => (index === 0 ? part : processor.expand(images[index - 1]!) + part))
    .join("");
}
