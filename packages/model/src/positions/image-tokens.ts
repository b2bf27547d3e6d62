import { VlmR1Error } from "@vlmr1/core";
import type { ImageLayout } from "../family.ts";

/**
 * Makes sure that a prompt has one placeholder token for every image feature.
 *
 * @throws VlmR1Error `invalid-argument` when it does not.
 */
export function checkImageTokens(
  ids: readonly number[],
  imageTokenId: number,
  images: readonly ImageLayout[],
): void {
  const placeholders = ids.reduce((count, id) => count + (id === imageTokenId ? 1 : 0), 0);
  const features = images.reduce((sum, image) => sum + image.tokens, 0);
  if (placeholders === features) return;
  throw new VlmR1Error(
    "invalid-argument",
    `The prompt has ${placeholders} image placeholders (token ${imageTokenId}), its ${images.length} images need ${features}. ` +
      "Give one image for each image part of the messages, in order.",
  );
}
