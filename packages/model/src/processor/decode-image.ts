import { type RgbImage, VlmR1Error } from "@vlmr1/core";
import sharp from "sharp";

/** Images above this many pixels are refused before they are decoded. */
const MAX_PIXELS = 268_402_689;

/**
 * Decodes an encoded picture (PNG, JPEG, WebP, GIF, AVIF, TIFF) to 8-bit RGB. It is turned upright by its EXIF
 * orientation, and transparency is laid over white, as transformers does for every processor.
 *
 * @throws VlmR1Error `invalid-data` when the bytes are not a picture.
 */
export async function decodeImage(bytes: Uint8Array): Promise<RgbImage> {
  try {
    const { data, info } = await sharp(bytes, { limitInputPixels: MAX_PIXELS, failOn: "error" })
      .autoOrient()
      .toColourspace("srgb")
      .ensureAlpha()
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, data: overWhite(data) };
  } catch (cause) {
    throw new VlmR1Error("invalid-data", `The image cannot be decoded: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** Lays RGBA pixels over white in the integer arithmetic of Pillow's `alpha_composite`, equal to the last bit. */
function overWhite(rgba: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let source = 0, target = 0; source < rgba.length; source += 4, target += 3) {
    const front = rgba[source + 3]! * 128; // 7 bits of precision, as Pillow: alpha * 255 * 255 * 128 / (255 * 255)
    const back = 255 * (255 * 128 - front);
    for (let channel = 0; channel < 3; channel++) {
      const sum = rgba[source + channel]! * front + back + 0x80 * 128;
      rgb[target + channel] = (((sum >> 8) + sum) >> 8) >> 7; // Division by 255 by shifts.
    }
  }
  return rgb;
}
