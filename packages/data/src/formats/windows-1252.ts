import type { Buffer } from "node:buffer";

/** What the bytes 0x80 to 0x9f are in Windows-1252; the five that it leaves open stay control characters. */
const UPPER = "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ";

/** Decodes Windows-1252. (Node 20's own decoder of that name decodes Latin-1.) */
export function decodeWindows1252(bytes: Buffer): string {
  return bytes
    .toString("latin1")
    .replace(/[\x80-\x9f]/g, (character) => UPPER[character.charCodeAt(0) - 0x80]!);
}
