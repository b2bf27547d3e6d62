import { isSpace, isWord } from "./number.ts";

/** The parts of a text between white space, in time linear in its length. */
export function wordsOf(text: string): string[] {
  return partsOf(text, (unit) => !isSpace(unit));
}

/** How many parts {@link wordsOf} finds, without building them. */
export function countWords(text: string): number {
  let count = 0;
  let inWord = false;
  for (let i = 0; i < text.length; i++) {
    const belongs = !isSpace(text.charCodeAt(i));
    if (belongs && !inWord) count++;
    inWord = belongs;
  }
  return count;
}

/**
 * The runs of letters, digits and underscores of a text: its words without punctuation, in time linear in
 * its length.
 */
export function lettersOf(text: string): string[] {
  return partsOf(text, isWord);
}

/** Lower case, runs of white space as one space, none at the ends. */
export function plainText(text: string): string {
  return wordsOf(text.toLowerCase()).join(" ");
}

function partsOf(text: string, belongs: (unit: number) => boolean): string[] {
  const parts: string[] = [];
  let start = -1;
  for (let i = 0; i < text.length; i++) {
    if (!belongs(text.charCodeAt(i))) {
      if (start >= 0) parts.push(text.slice(start, i));
      start = -1;
    } else if (start < 0) start = i;
  }
  if (start >= 0) parts.push(text.slice(start));
  return parts;
}
