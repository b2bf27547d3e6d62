import { readFile, stat } from "node:fs/promises";
import { type RgbImage, VlmR1Error } from "@vlmr1/core";
import sharp, { type Metadata } from "sharp";

/** Twice Pillow's `MAX_IMAGE_PIXELS`, the size from which Pillow refuses to open a picture. */
const defaultMaxPixels = 178_956_970;

/**
 * What sharp calls the formats that are read; AVIF is a kind of HEIF. SVG and PDF are programs, not pictures, and
 * stay out.
 */
const readableFormats = ["jpeg", "png", "webp", "avif", "heif", "tiff", "gif"];

export interface LoadImageOptions {
  /**
   * Pictures with more pixels (width x height) than this are refused before they are decoded. Default 178,956,970,
   * as in Pillow.
   */
  readonly maxPixels?: number;
}

/**
 * Decodes a JPEG, PNG, WebP, AVIF, TIFF or GIF file, or its bytes, to 8-bit RGB.
 *
 * The result is upright (EXIF orientation applied); transparent pixels lie over white; 16-bit channels keep their
 * high byte; grayscale is repeated in three channels; an animation shows its first frame. The numbers are those of
 * Pillow, and so those that published checkpoints were trained on: embedded colour profiles are not applied, and
 * CMYK is converted by its plain formula. (Only AVIF with subsampled colour differs at edges, where the two decoders
 * interpolate differently.)
 *
 * @throws VlmR1Error `not-found` without such a file, `limit` above `maxPixels`, `unsupported` for another format,
 * `invalid-data` when the bytes are no picture or are cut off.
 */
export async function loadImage(
  source: string | Uint8Array,
  { maxPixels = defaultMaxPixels }: LoadImageOptions = {},
): Promise<RgbImage> {
  if (!Number.isFinite(maxPixels) || maxPixels < 1) {
    throw new VlmR1Error(
      "invalid-argument",
      `maxPixels must be a positive number of pixels, got ${maxPixels}.`,
    );
  }
  const name = typeof source === "string" ? source : `an image of ${source.length} bytes`;
  const bytes = typeof source === "string" ? await readImageFile(source) : source;
  const header = await decoding(name, () => sharp(bytes, { limitInputPixels: false }).metadata());
  checkHeader(name, header, maxPixels);
  const picture = sharp(bytes, { limitInputPixels: false, failOn: "error", ignoreIcc: true }).autoOrient();
  const isInk = header.space === "cmyk";
  const pixels = isInk
    ? picture.pipelineColourspace("cmyk").toColourspace("cmyk")
    : picture.toColourspace("srgb");
  const { data, info } = await decoding(name, () =>
    pixels.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true }),
  );
  return { width: info.width, height: info.height, data: toRgb(data, info.channels, isInk) };
}

async function readImageFile(path: string): Promise<Uint8Array> {
  try {
    // A pipe or a device has no end: reading one would hang.
    if (!(await stat(path)).isFile())
      throw new VlmR1Error("invalid-data", `${path} is not a file. Name an image file.`);
    return await readFile(path);
  } catch (error) {
    if (VlmR1Error.is(error)) throw error;
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new VlmR1Error(
      missing ? "not-found" : "invalid-data",
      missing
        ? `There is no image at ${path}. Check the path, and the folder that it is relative to.`
        : `Cannot read the image ${path}: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

async function decoding<T>(name: string, decode: () => Promise<T>): Promise<T> {
  try {
    return await decode();
  } catch (error) {
    throw new VlmR1Error(
      "invalid-data",
      `Cannot decode ${name}: ${(error as Error).message.replaceAll("\n", " ").trim()}. ` +
        "The file is damaged, cut off or no image; fetch it again or leave it out.",
      { cause: error },
    );
  }
}

function checkHeader(name: string, header: Metadata, maxPixels: number): void {
  if (!readableFormats.includes(header.format)) {
    throw new VlmR1Error(
      "unsupported",
      `${name} has the format ${header.format}; JPEG, PNG, WebP, AVIF, TIFF and GIF can be read. ` +
        "Convert it to one of them.",
    );
  }
  const pixels = header.width * header.height;
  if (pixels > maxPixels) {
    throw new VlmR1Error(
      "limit",
      `${name} has ${header.width}x${header.height} = ${pixels} pixels, more than maxPixels = ${maxPixels}. ` +
        "If the file is trusted, pass a larger maxPixels; otherwise leave it out.",
    );
  }
}

function toRgb(data: Buffer, channels: number, isInk: boolean): Uint8Array {
  if (channels === 3) return new Uint8Array(data.buffer, data.byteOffset, data.length);
  const rgb = new Uint8Array((data.length / channels) * 3);
  const isTransparent = !isInk && channels % 2 === 0;
  for (let i = 0, j = 0; i < data.length; i += channels, j += 3) {
    const last = data[i + channels - 1] as number; // black ink, or opacity
    for (let c = 0; c < 3; c++) {
      const value = data[channels < 3 ? i : i + c] as number;
      rgb[j + c] = isInk ? inkToLight(value, last) : isTransparent ? overWhite(value, last) : value;
    }
  }
  return rgb;
}

/** Light left by a colour ink under black, both 0..255: Pillow's `cmyk2rgb`, rounding included. */
function inkToLight(ink: number, black: number): number {
  const paper = 255 - black;
  const product = ink * paper + 128;
  return paper - (((product >> 8) + product) >> 8);
}

/** A value of some opacity over white, all 0..255: Pillow's `alpha_composite`, rounding included. */
function overWhite(value: number, opacity: number): number {
  const front = opacity * 128; // 7 bits of precision: opacity * 255 * 255 * 128 / (255 * 255)
  const sum = value * front + 255 * (255 * 128 - front) + 128 * 128;
  return (((sum >> 8) + sum) >> 8) >> 7; // division by 255 by shifts
}
