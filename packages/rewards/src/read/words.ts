import { isSpace } from "./number.ts";

/** The parts of a text between white space, in time linear in its length. */
export function wordsOf(text: string): string[] {
  const words: string[] = [];
  let start = -1;
  for (let i = 0; i < text.length; i++) {
    if (isSpace(text.charCodeAt(i))) {
      if (start >= 0) words.push(text.slice(start, i));
      start = -1;
    } else if (start < 0) start = i;
  }
  if (start >= 0) words.push(text.slice(start));
  return words;
}

/** Lower case, runs of white space as one space, none at the ends. */
export function plainText(text: string): string {
  return wordsOf(text.toLowerCase()).join(" ");
}
