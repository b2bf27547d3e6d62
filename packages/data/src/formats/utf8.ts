import { type Buffer, isUtf8 } from "node:buffer";

/** Decodes UTF-8 strictly: undefined when the bytes are not valid, where a plain `toString` would put U+FFFD in their place. */
export function decodeUtf8(bytes: Buffer, start: number, end: number): string | undefined {
  const text = bytes.toString("utf8", start, end);
  // U+FFFD may also be what was written; only then are the bytes looked at a second time.
  return text.includes("\ufffd") && !isUtf8(bytes.subarray(start, end)) ? undefined : text;
}
