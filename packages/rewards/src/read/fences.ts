/** A fenced block of Markdown: ```` ```json ... ``` ````. */
export interface Fence {
  /** The word after the opening fence, lower-case; empty when there is none. */
  readonly language: string;
  readonly text: string;
  readonly closed: boolean;
}

/** The fenced blocks of a text, in order; the last one may be unclosed. */
export function readFences(text: string): Fence[] {
  const fences: Fence[] = [];
  let opening = text.indexOf("```");
  while (opening >= 0) {
    const start = languageEnd(text, opening + 3);
    const closing = text.indexOf("```", start);
    fences.push({
      language: text.slice(opening + 3, start).toLowerCase(),
      text: text.slice(start, closing < 0 ? text.length : closing),
      closed: closing >= 0,
    });
    opening = closing < 0 ? -1 : text.indexOf("```", closing + 3);
  }
  return fences;
}

const longestLanguage = 16;

function languageEnd(text: string, start: number): number {
  let i = start;
  while (i < start + longestLanguage && isLetter(text.charCodeAt(i))) i++;
  return i;
}

function isLetter(unit: number): boolean {
  return (unit >= 97 && unit <= 122) || (unit >= 65 && unit <= 90);
}
