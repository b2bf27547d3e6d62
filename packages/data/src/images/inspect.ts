import { Buffer } from "node:buffer";
import { VlmR1Error } from "@vlmr1/core";
import { lfsPointer } from "@vlmr1/core/files";

/** Formats that are not read, by how their files begin: an error that names the format helps more than "no image". */
const unreadFormats: readonly (readonly [name: string, begin: string])[] = [
  ["BMP", "BM"],
  ["JPEG 2000", "\0\0\0\fjP  "],
  ["JPEG 2000", "\xff\x4f\xff\x51"],
  ["JPEG XL", "\xff\x0a"],
  ["JPEG XL", "\0\0\0\fJXL "],
  ["Photoshop (PSD)", "8BPS"],
  ["ICO", "\0\0\x01\0"],
  ["PCX", "\n\x05\x01\x08"],
  ["Netpbm", "P1"],
  ["Netpbm", "P2"],
  ["Netpbm", "P3"],
  ["Netpbm", "P4"],
  ["Netpbm", "P5"],
  ["Netpbm", "P6"],
  ["DICOM", "DICM"],
  ["NumPy", "\x93NUMPY"],
  ["PDF", "%PDF"],
];

/** Progressive JPEGs have about ten scans; each more is another pass over the whole picture. */
const mostScans = 100;

/** What the bytes of a picture say before they are decoded. */
export interface InspectedImage {
  /** The bytes to decode: without text that would be unpacked for nothing, with an end marker. */
  readonly bytes: Uint8Array;
  /** The file ended without its end marker: any other complaint of the decoder means that data are missing, too. */
  readonly addedEnd: boolean;
  /** The three channels are luminance and colour differences, which the decoder hands on as they are. */
  readonly isYcbcr: boolean;
}

/**
 * Looks at the bytes of a picture before a decoder does.
 *
 * @throws VlmR1Error `unsupported` naming the format, `limit` for a JPEG of more than 100 scans, `invalid-data` for a
 * Git LFS pointer.
 */
export function inspectImage(name: string, source: Uint8Array): InspectedImage {
  const bytes = Buffer.from(source.buffer, source.byteOffset, source.byteLength);
  const asIs = { bytes, addedEnd: false, isYcbcr: false };
  const begin = bytes.toString("latin1", 0, 16);
  if (begin.startsWith("\xff\xd8\xff")) return { ...asIs, ...inspectJpeg(name, bytes) };
  if (begin.startsWith("\x89PNG\r\n\x1a\n")) return { ...asIs, bytes: withoutText(bytes) };
  if (/^(II\*\0|MM\0\*)/.test(begin)) return { ...asIs, isYcbcr: isRawYcbcr(bytes) };
  const format = unreadFormats.find(([, magic]) => begin.startsWith(magic))?.[0];
  if (format !== undefined) throw unsupportedFormat(name, format);
  const pointer = lfsPointer(bytes);
  if (pointer !== undefined) throw new VlmR1Error("invalid-data", `${name}: ${pointer}.`);
  return asIs;
}

/** The error for a format that is not read. */
export function unsupportedFormat(name: string, format: string): VlmR1Error {
  return new VlmR1Error(
    "unsupported",
    `${name} has the format ${format}; JPEG, PNG, WebP, AVIF, TIFF and GIF can be read. ` +
      "Convert it to one of them, PNG for example.",
  );
}

/** Counts the scans of a JPEG, and adds the end marker that some cameras and downloads leave out. */
function inspectJpeg(name: string, bytes: Buffer): Pick<InspectedImage, "bytes" | "addedEnd"> {
  const startOfScan = Buffer.from([0xff, 0xda]); // inside a scan 0xff is followed by 0, so that this is always a marker
  let scans = 0;
  for (let at = bytes.indexOf(startOfScan); at >= 0; at = bytes.indexOf(startOfScan, at + 2)) scans++;
  if (scans > mostScans) {
    throw new VlmR1Error(
      "limit",
      `${name} is a JPEG of ${scans} scans, and at most ${mostScans} are decoded: each is a pass over the whole picture. ` +
        "Save the picture again if you trust it.",
    );
  }
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--; // padding
  if (bytes[end - 2] === 0xff && bytes[end - 1] === 0xd9) return { bytes, addedEnd: false };
  // Data behind the end marker, as phones write them, are the decoder's business.
  if (bytes.lastIndexOf(Buffer.from([0xff, 0xd9])) > bytes.lastIndexOf(startOfScan)) {
    return { bytes, addedEnd: false };
  }
  return { bytes: Buffer.concat([bytes, Buffer.from([0xff, 0xd9])]), addedEnd: true };
}

/** Chunks of a PNG that hold text or a colour profile, often compressed: none of them is a pixel. */
const textChunks: readonly string[] = ["tEXt", "zTXt", "iTXt", "iCCP"];

/** A PNG without the chunks that would be unpacked for nothing, however large they become. */
function withoutText(bytes: Buffer): Buffer {
  const kept: Buffer[] = [bytes.subarray(0, 8)];
  let position = 8;
  while (position + 12 <= bytes.length) {
    const end = position + 12 + bytes.readUInt32BE(position);
    const type = bytes.toString("latin1", position + 4, position + 8);
    if (!textChunks.includes(type)) kept.push(bytes.subarray(position, end));
    if (end > bytes.length || type === "IEND") break; // cut off: the decoder says so
    position = end;
  }
  return kept.length === 1 ? bytes : Buffer.concat(kept);
}

/** TIFF tags, and the values that matter. */
const [compressionTag, photometricTag] = [259, 262];
const [photometricYcbcr, oldJpeg, jpeg] = [6, 6, 7];

/** Whether a TIFF stores luminance and colour differences without JPEG, which libvips takes for red, green and blue. */
function isRawYcbcr(bytes: Buffer): boolean {
  const little = bytes[0] === 0x49;
  const short = (at: number): number => (little ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at));
  const tags = new Map<number, number>();
  try {
    const directory = little ? bytes.readUInt32LE(4) : bytes.readUInt32BE(4);
    const count = short(directory);
    for (let i = 0; i < count; i++) {
      const entry = directory + 2 + 12 * i;
      tags.set(short(entry), short(entry + 8));
    }
  } catch {
    return false; // cut off: the decoder says so
  }
  const compression = tags.get(compressionTag);
  return tags.get(photometricTag) === photometricYcbcr && compression !== jpeg && compression !== oldJpeg;
}
