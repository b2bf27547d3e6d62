/** The text between a pair of tags. */
export interface Span {
  readonly text: string;
  /** Where the text begins and ends in the completion, tags excluded. */
  readonly start: number;
  readonly end: number;
  /** False when the text runs to the end of the completion because its closing tag is missing. */
  readonly closed: boolean;
  /** 0 for an outermost span, 1 for a span inside it, and so on. */
  readonly depth: number;
}

/**
 * Every `<tag>...</tag>` of a text, nested ones included, by where they open. A closing tag without an
 * opening one is ignored.
 */
export function readSpans(text: string, tag: string): Span[] {
  const opening = `<${tag}>`;
  const closing = `</${tag}>`;
  const starts: number[] = [];
  const ends: number[] = [];
  const depths: number[] = [];
  const open: number[] = [];
  let nextOpening = text.indexOf(opening);
  let nextClosing = text.indexOf(closing);
  while (nextOpening >= 0 || (nextClosing >= 0 && open.length > 0)) {
    if (nextOpening >= 0 && (nextClosing < 0 || nextOpening < nextClosing)) {
      depths.push(open.length);
      open.push(starts.length);
      starts.push(nextOpening + opening.length);
      nextOpening = text.indexOf(opening, nextOpening + opening.length);
    } else {
      const span = open.pop();
      if (span !== undefined) ends[span] = nextClosing;
      nextClosing = text.indexOf(closing, nextClosing + closing.length);
    }
  }
  return starts.map((start, i) => {
    const end = ends[i] ?? text.length;
    return {
      text: text.slice(start, end),
      start,
      end,
      closed: ends[i] !== undefined,
      depth: depths[i] as number,
    };
  });
}

/** Which of several spans counts. */
export type Which = "first" | "last";

/**
 * The first or last span of a tag without building the others: the one whose opening tag comes first or
 * last, up to the closing tag that belongs to it or, when that is missing, to the end of the text.
 */
export function readSpan(text: string, tag: string, which: Which = "last"): Span | undefined {
  if (which === "first") return readSpans(text, tag)[0];
  const opening = `<${tag}>`;
  const found = text.lastIndexOf(opening);
  if (found < 0) return undefined;
  const start = found + opening.length;
  const closing = text.indexOf(`</${tag}>`, start);
  const end = closing < 0 ? text.length : closing;
  return { text: text.slice(start, end), start, end, closed: closing >= 0, depth: 0 };
}

/**
 * What the model answered: the text of the first or last `<answer>`, closed or not; without one, whatever
 * follows the last `</think>`; without thought either, the whole text. A thought that never ends is no
 * answer.
 */
export function readAnswer(completion: string, which: Which = "last"): string {
  const answer = readSpan(completion, "answer", which);
  if (answer) return answer.text;
  const thought = completion.lastIndexOf("</think>");
  if (thought >= 0) return completion.slice(thought + "</think>".length);
  return completion.includes("<think>") ? "" : completion;
}

/** What the model thought: the text of the first or last `<think>`, closed or not, or undefined. */
export function readThought(completion: string, which: Which = "first"): string | undefined {
  return readSpan(completion, "think", which)?.text;
}
