import type { Buffer } from "node:buffer";
import { VlmR1Error, type ImageSize, type RgbImage } from "@vlmr1/core";
import { readWhole } from "@vlmr1/core/files";
import sharp, { type Metadata, type Sharp } from "sharp";
import { inspectImage, unsupportedFormat, type InspectedImage } from "./inspect.ts";

/** 8192 x 8192: a photograph of 50 megapixels fits, and takes 200 MB. Pillow warns at 89 million, refuses at 179. */
const defaultMaxPixels = 67_108_864;

/** Longer files are refused unread. */
const mostBytes = 2 ** 30;

/**
 * What sharp calls the formats that are read; AVIF is a kind of HEIF. SVG and PDF are programs, not pictures, and
 * stay out.
 */
const readableFormats = ["jpeg", "png", "webp", "avif", "heif", "tiff", "gif"];

/** How pictures are decoded. */
export interface LoadImageOptions {
  /**
   * Pictures with more pixels (width x height) than this are refused before they are decoded. Default 67,108,864,
   * which are 200 MB in memory.
   */
  readonly maxPixels?: number;
  /**
   * Whether a picture is turned upright as its EXIF orientation says. Default true. Data whose boxes were drawn on the
   * pixels as they are stored need false.
   */
  readonly exifRotation?: boolean;
}

/**
 * Decodes a JPEG, PNG, WebP, AVIF, TIFF or GIF file, or its bytes, to 8-bit RGB.
 *
 * The result is upright (EXIF orientation applied); transparent pixels lie over white; 16-bit channels keep their
 * high byte; grayscale is repeated in three channels; an animation shows its first frame; floating-point pictures
 * within 0..1 are taken for fractions of white. The numbers are else those of Pillow, and so those that published
 * checkpoints were trained on: embedded colour profiles are not applied, and CMYK is converted by its plain formula.
 * (Only AVIF with subsampled colour differs at edges, where the two decoders interpolate differently.)
 *
 * @throws VlmR1Error `not-found` without such a file, `limit` above `maxPixels` and for JPEGs of more than 100 scans,
 * `unsupported` naming another format, `invalid-data` when the bytes are no picture or are cut off.
 */
export async function loadImage(
  source: string | Uint8Array,
  { maxPixels = defaultMaxPixels, exifRotation = true }: LoadImageOptions = {},
): Promise<RgbImage> {
  if (!Number.isFinite(maxPixels) || maxPixels < 1) {
    throw new VlmR1Error(
      "invalid-argument",
      `maxPixels must be a positive number of pixels, got ${maxPixels}.`,
    );
  }
  const name = typeof source === "string" ? source : `an image of ${source.length} bytes`;
  const inspected = inspectImage(
    name,
    typeof source === "string" ? await readWhole(source, mostBytes) : source,
  );
  const header = await headerOf(name, inspected);
  checkHeader(name, header, maxPixels);
  const failOn = inspected.addedEnd ? "warning" : "error";
  const stored = sharp(inspected.bytes, { limitInputPixels: false, failOn, ignoreIcc: true });
  const picture = exifRotation ? stored.autoOrient() : stored;
  if (header.depth === "float" || header.depth === "double") return floatPicture(name, picture);
  const isInk = header.space === "cmyk";
  const pixels = isInk
    ? picture.pipelineColourspace("cmyk").toColourspace("cmyk")
    : picture.toColourspace("srgb");
  const { data, info } = await decoding(name, () =>
    pixels.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true }),
  );
  const rgb = toRgb(data, info.channels, isInk);
  return { width: info.width, height: info.height, data: inspected.isYcbcr ? ycbcrToRgb(rgb) : rgb };
}

/**
 * Width and height as stored, before any EXIF rotation, read from a file's header.
 *
 * @throws VlmR1Error as {@link loadImage} does.
 */
export async function storedSize(path: string): Promise<ImageSize> {
  const { width, height } = await headerOf(path, inspectImage(path, await readWhole(path, mostBytes)));
  return { width, height };
}

function headerOf(name: string, { bytes }: InspectedImage): Promise<Metadata> {
  return decoding(name, () => sharp(bytes, { limitInputPixels: false }).metadata());
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
  if (!readableFormats.includes(header.format)) throw unsupportedFormat(name, header.format);
  if (header.depth === "complex" || header.depth === "dpcomplex") {
    throw unsupportedFormat(name, `${header.format} of complex numbers`);
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

/** Floating-point pictures say nowhere what white is: 1 when no value is larger, else 255, as Pillow has it. */
async function floatPicture(name: string, picture: Sharp): Promise<RgbImage> {
  const { data, info } = await decoding(name, () =>
    picture.raw({ depth: "float" }).toBuffer({ resolveWithObject: true }),
  );
  const values = new Float32Array(data.buffer, data.byteOffset, data.length / 4);
  let largest = 0;
  for (const value of values) {
    if (!Number.isFinite(value)) {
      throw new VlmR1Error(
        "invalid-data",
        `${name} holds the floating-point value ${value}, which is no brightness. Convert it to 8 bits.`,
      );
    }
    largest = Math.max(largest, value);
  }
  const white = largest <= 1 ? 255 : 1;
  const bytes = Uint8Array.from(values, (value) => Math.min(255, Math.max(0, white * value)));
  return { width: info.width, height: info.height, data: toRgb(bytes, info.channels, false) };
}

function toRgb(data: Buffer | Uint8Array, channels: number, isInk: boolean): Uint8Array {
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

/** ITU-R BT.601 with 6 bits of precision, as Pillow converts; single values differ by one from its printed tables. */
function ycbcrToRgb(pixels: Uint8Array): Uint8Array {
  const scaled = (factor: number, value: number): number => Math.round(factor * (value - 128) * 64);
  const clip = (value: number): number => Math.min(255, Math.max(0, value));
  for (let i = 0; i < pixels.length; i += 3) {
    const [y, cb, cr] = [pixels[i] as number, pixels[i + 1] as number, pixels[i + 2] as number];
    pixels[i] = clip(y + (scaled(1.402, cr) >> 6));
    pixels[i + 1] = clip(y + ((scaled(-0.344136, cb) + scaled(-0.714136, cr)) >> 6));
    pixels[i + 2] = clip(y + (scaled(1.772, cb) >> 6));
  }
  return pixels;
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
