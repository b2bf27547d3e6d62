import { VlmR1Error } from "@vlmr1/core";

/** Characters 48 ("0") to 111 ("o") carry five bits of data and one that says whether more follow. */
const firstCharacter = 48;
const moreFollow = 0x20;
const negative = 0x10;

/**
 * COCO's compressed counts: like LEB128 with six bits a character; from the fourth run on, the difference to the run
 * two before.
 *
 * Byte-equal with `rleToString` of cocoapi's maskApi.c.
 */
export function countsToString(counts: ArrayLike<number>): string {
  let text = "";
  for (let i = 0; i < counts.length; i++) {
    let value = counts[i] as number;
    if (i > 2) value -= counts[i - 2] as number;
    let more = true;
    while (more) {
      let code = value & 0x1f; // the low five bits, also of a negative number
      value = (value - code) / 32; // an arithmetic shift that does not stop at 32 bits
      more = code & negative ? value !== -1 : value !== 0;
      if (more) code |= moreFollow;
      text += String.fromCharCode(code + firstCharacter);
    }
  }
  return text;
}

/**
 * The run lengths of COCO's compressed counts, `rleFrString` of maskApi.c.
 *
 * @throws VlmR1Error `invalid-data` for a character outside 48..111, a string that stops inside a number, or a
 * negative run.
 */
export function countsFromString(text: string): Uint32Array {
  const counts = new Uint32Array(text.length);
  let length = 0;
  let position = 0;
  while (position < text.length) {
    let value = 0;
    let weight = 1;
    let code: number;
    do {
      code = text.charCodeAt(position) - firstCharacter;
      if (!(code >= 0 && code < 64)) throw malformed(text, position);
      value += (code & 0x1f) * weight;
      weight *= 32;
      position++;
    } while (code & moreFollow);
    if (code & negative) value -= weight;
    if (length > 2) value += counts[length - 2] as number;
    if (!(value >= 0 && value < 2 ** 32)) throw malformed(text, position - 1);
    counts[length++] = value;
  }
  return counts.slice(0, length);
}

function malformed(text: string, position: number): VlmR1Error {
  const found =
    position < text.length ? `${JSON.stringify(text[position])} at ${position}` : "the end of the string";
  return new VlmR1Error(
    "invalid-data",
    `Compressed RLE counts cannot be read at ${found} of ${JSON.stringify(text.slice(0, 40))}: ` +
      `they are characters "0" to "o" that give run lengths >= 0. Write them with encodeMask or pycocotools.`,
  );
}
