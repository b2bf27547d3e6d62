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

/** Which of several spans counts. */
export type Which = "first" | "last";

/**
 * Every `<tag>...</tag>` of a text, nested ones included, by where they open. Case and white space inside a tag do
 * not matter (`<ANSWER>`, `<answer >`), `think` also finds `<thinking>`; a closing tag without an opening one is ignored.
 */
export function readSpans(text: string, tag: string): Span[] {
  return spansOf(text, tag).map((span) => finished(span, text));
}

/**
 * The first or last span of a tag: the one whose opening tag comes first or last, up to the closing tag that
 * belongs to it or, when that is missing, to the end of the text.
 */
export function readSpan(text: string, tag: string, which: Which = "last"): Span | undefined {
  const span = spansOf(text, tag).at(which === "first" ? 0 : -1);
  return span && finished(span, text);
}

/**
 * What the model answered: the text of the first or last `<answer>` outside its thoughts, closed or not; without one,
 * whatever follows the last thought; without thought either, the whole text. A thought that never ends is no
 * answer, unless an `<answer>` stands in it. Inside the answer `<|begin_of_box|>` marks what counts.
 *
 * Thoughts are `<think>`, `<thinking>`, `<thought>` and `◁think▷`; one that a template opened needs no opening tag.
 */
export function readAnswer(completion: string, which: Which = "last"): string {
  const answers = openSpans();
  const inThought = openSpans(); // answers that a thought talks about
  let thinking = false;
  let thoughtSeen = false;
  let rest = 0;
  visitTags(
    completion,
    /[<◁]\s*(\/?)\s*(?:(answer)|think(?:ing)?|thought)\s*[>▷]/gi,
    (closing, start, end, answer) => {
      if (answer) take(thinking ? inThought : answers, closing, start, end);
      else if (answers.open.length === 0) {
        if (closing && (thinking || !thoughtSeen)) {
          if (!thinking) answers.spans.length = 0; // a template opened the thought
          rest = end;
        }
        thinking = !closing;
        thoughtSeen = true;
      }
    },
  );
  const { spans } = answers.spans.length > 0 || !thinking ? answers : inThought;
  const span = spans.at(which === "first" ? 0 : -1);
  if (span) return boxed(completion.slice(span.start, span.end));
  return thinking ? "" : boxed(completion.slice(rest));
}

/** What the model thought: the text of the first or last thought, closed or not, or undefined. */
export function readThought(completion: string, which: Which = "first"): string | undefined {
  return readSpan(completion, "think", which)?.text;
}

/**
 * How many characters of an answer are read. No honest answer is longer, so that a runaway one stays cheap; the
 * rest counts as not written.
 */
export const longestAnswer = 200_000;

/** The answer of a completion, as far as it is read. */
export function readShortAnswer(completion: string, which?: Which): string {
  const answer = readAnswer(completion, which);
  return answer.length > longestAnswer ? answer.slice(0, longestAnswer) : answer;
}

/** What GLM's models put between `<|begin_of_box|>` and `<|end_of_box|>`, else the text as it is. */
function boxed(text: string): string {
  const inside = text.split("<|begin_of_box|>").at(-1) as string;
  return inside === text ? text : (inside.split("<|end_of_box|>")[0] as string);
}

interface OpenSpan {
  readonly start: number;
  /** Undefined while its closing tag is missing. */
  end?: number;
  readonly depth: number;
}

/** The spans of one tag in the order in which they open, and those that are open. */
interface OpenSpans {
  readonly spans: OpenSpan[];
  readonly open: OpenSpan[];
}

function openSpans(): OpenSpans {
  return { spans: [], open: [] };
}

function take({ spans, open }: OpenSpans, closing: boolean, start: number, end: number): void {
  const span = closing ? open.pop() : { start: end, depth: open.length };
  if (closing && span) span.end = start;
  else if (span) {
    spans.push(span);
    open.push(span);
  }
}

function finished({ start, end, depth }: OpenSpan, text: string): Span {
  const last = end ?? text.length;
  return { text: text.slice(start, last), start, end: last, closed: end !== undefined, depth };
}

function spansOf(text: string, tag: string): OpenSpan[] {
  const names = tag === "think" ? "think(?:ing)?|thought" : tag.replace(/\W/g, "\\$&");
  const found = openSpans();
  visitTags(text, new RegExp(`[<◁]\\s*(\\/?)\\s*(?:${names})\\s*[>▷]`, "gi"), (closing, start, end) =>
    take(found, closing, start, end),
  );
  return found.spans;
}

/** Visits the tags of a text in order, in time linear in its length. */
function visitTags(
  text: string,
  pattern: RegExp,
  visit: (closing: boolean, start: number, end: number, answer: boolean) => void,
): void {
  for (let tag = pattern.exec(text); tag; tag = pattern.exec(text))
    visit(tag[1] !== "", tag.index, pattern.lastIndex, tag[2] !== undefined);
}

/** The content of the last `\boxed{...}` or `\fbox{...}` that closes, or of `\boxed x`; of three, the earlier count too. */
export function lastBoxed(text: string): string | undefined {
  let before = text.length;
  for (let tries = 0; tries < 3 && before >= 0; tries++) {
    const at = Math.max(text.lastIndexOf("\\boxed", before), text.lastIndexOf("\\fbox", before));
    if (at < 0) return undefined;
    const start = text.indexOf("box", at) + (text.startsWith("\\boxed", at) ? 5 : 3);
    const bare = /\s[^\s${}\\]+|\d/y;
    bare.lastIndex = start;
    const single = bare.exec(text);
    if (single) return single[0].trim();
    const end = text[start] === "{" ? closingBrace(text, start) : -1;
    if (end >= 0) return text.slice(start + 1, end);
    before = at - 1;
  }
  return undefined;
}

function closingBrace(text: string, opening: number): number {
  let depth = 0;
  for (let i = opening; i < text.length; i++) {
    if (text[i] === "{") depth++;
    else if (text[i] === "}" && --depth === 0) return i;
  }
  return -1;
}
