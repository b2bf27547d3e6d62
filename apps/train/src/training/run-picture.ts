import type { RgbImage } from "@vlmr1/core";
import sharp from "sharp";
import type { RunPicture } from "../run/events.ts";

/** Longest side of a picture in a report, in pixels: larger photos are scaled down, their boxes stay in their own pixels. */
const longestSide = 384;

/** A picture for the run's pages: small drawings as they are (PNG), photos scaled down (WebP). */
export async function runPicture({ width, height, data }: RgbImage): Promise<RunPicture> {
  const picture = sharp(data, { raw: { width, height, channels: 3 } });
  const isSmall = Math.max(width, height) <= 128;
  const bytes = isSmall
    ? await picture.png({ compressionLevel: 9 }).toBuffer()
    : await picture
        .resize({ width: longestSide, height: longestSide, fit: "inside", withoutEnlargement: true })
        .webp()
        .toBuffer();
  return { url: `data:image/${isSmall ? "png" : "webp"};base64,${bytes.toString("base64")}`, width, height };
}
