import { VlmR1Error, type Box, type RgbImage } from "@vlmr1/core";
import sharp from "sharp";

/**
 * Writes a picture with boxes drawn in their own pixels: a white halo under a coloured line, thick enough to be seen at any size.
 *
 * @throws VlmR1Error `invalid-argument` when the file cannot be written.
 */
export async function writeAnnotated(image: RgbImage, boxes: readonly Box[], file: string): Promise<void> {
  const { width, height, data } = image;
  const line = Math.max(1, Math.round(Math.max(width, height) / 250));
  const rectangles = boxes.map(([x1, y1, x2, y2]) => {
    const area = `x="${x1}" y="${y1}" width="${Math.max(0, x2 - x1)}" height="${Math.max(0, y2 - y1)}" fill="none"`;
    return `<rect ${area} stroke="white" stroke-width="${line * 2}"/><rect ${area} stroke="#2563eb" stroke-width="${line}"/>`;
  });
  const overlay = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${rectangles.join("")}</svg>`;
  try {
    await sharp(data, { raw: { width, height, channels: 3 } })
      .composite([{ input: Buffer.from(overlay) }])
      .png()
      .toFile(file);
  } catch (cause) {
    throw new VlmR1Error(
      "invalid-argument",
      `Cannot write the picture ${file}: ${(cause as Error).message}.`,
      { cause },
    );
  }
}
