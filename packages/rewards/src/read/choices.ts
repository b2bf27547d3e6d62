import { folded, isSpace, isWord } from "./characters.ts";

/**
 * The one letter A..Z that a text chooses, upper-case, or undefined when it chooses none or more than one ("A or B",
 * "neither A nor B"). Letters after "answer", "choose", "答案", "选", … count before letters that punctuation sets off, and
 * these before letters that merely stand alone; a letter that is denied ("not A, B") does not count.
 */
export function readChoice(text: string): string | undefined {
  const { announced, marked, alone } = standingLetters(folded(text).replaceAll("_", " "));
  const strongest = [announced, marked, alone].find((letters) => letters.size > 0);
  return strongest?.size === 1 ? [...strongest][0] : undefined;
}

interface StandingLetters {
  /** After "answer", "choose", "option", … or in \boxed{}, and those that "or", "and", commas and slashes add. */
  readonly announced: Set<string>;
  /** Set off by punctuation, or all there is: `(B)`, `B.`, `B)`, `B:`, `**B**`. */
  readonly marked: Set<string>;
  readonly alone: Set<string>;
}

const announcers = new Set("answer choice option choose select correct boxed pick".split(" "));
const between = new Set("is be the letter would are must should".split(" "));
const denials = new Set("not neither nor isn isnt cannot exclude eliminate except without".split(" "));

/** The letters that stand alone in a text, by how clearly they are meant as a choice; one pass. */
function standingLetters(text: string): StandingLetters {
  const found: StandingLetters = { announced: new Set(), marked: new Set(), alone: new Set() };
  const short = text.trim().length <= 3 && !/\p{Script=Han}/u.test(text);
  let announcing = false;
  let denied = false;
  let joined = false; // the letter before was announced, and "or", "and" or a comma follows
  for (let i = 0; i < text.length;) {
    if (!isWord(text.charCodeAt(i))) {
      if (".;:!?\n".includes(text[i] as string)) joined = denied = false;
      i++;
      continue;
    }
    const start = i;
    const latin = isLatin(text.charCodeAt(i));
    while (i < text.length && isWord(text.charCodeAt(i)) && isLatin(text.charCodeAt(i)) === latin) i++;
    const word = i - start > 10 ? "" : text.slice(start, i).toLowerCase();
    if (!latin) {
      announcing = endsAnnouncing.test(word);
      denied = /(?:不是|不选|非|排除)$/.test(word);
      joined &&= /^[和或与及]$/.test(word);
    } else if (word.length !== 1) {
      announcing = announcers.has(word.replace(/s$/, "")) || (announcing && between.has(word));
      denied = denials.has(word) || (denied && (word === "t" || between.has(word) || announcers.has(word)));
      joined &&= word === "or" || word === "and";
    } else if (text[start - 1] !== "'" && text[start - 1] !== "’") {
      const name = word.toUpperCase();
      const marked = short || isSetOff(text, start);
      // `a` and `I` are words, and small letters are variables, unless something sets them off.
      const wordLike = isWordLike(text, start);
      if (denied || isDenied(text, i)) {
        joined = announcing = false;
        denied = denied && /^\s*(?:,\s*)?(?:n?or|\/)\s/i.test(text.slice(i, i + 8));
        continue;
      }
      if (marked) found.marked.add(name);
      const announces: boolean = (announcing && (marked || !wordLike)) || (joined && !startsClause(text, i));
      if (announces) found.announced.add(name);
      else if (text[start] === name && !wordLike) found.alone.add(name);
      else if (!marked && wordLike) announcing = false; // "the answer is a dog"
      joined = announces;
    }
  }
  return found;
}

const endsAnnouncing = /(?:答案|选|選|选择|选项|应为|正确)(?:应?[是为])?$/;

/** "A is wrong", "A isn't right", "A不对". */
function isDenied(text: string, end: number): boolean {
  return /^\W{0,3}\s*(?:(?:is|are)(?:n't|n’t| not| wrong| incorrect| false)|不对|不正确|错|是错)/i.test(
    text.slice(end, end + 24),
  );
}

/** Whether a letter that a comma or "and" adds begins a clause of its own: ", and A is blue". */
function startsClause(text: string, end: number): boolean {
  return /^\s+(?:is|are|was|were|has|looks|would|shows)\b/i.test(text.slice(end, end + 12));
}

/** Whether a lone letter reads as an English word here: `I`, `a`, and `A` before another word. */
function isWordLike(text: string, at: number): boolean {
  const letter = text[at] as string;
  if (text[at + 1] === "'" || text[at + 1] === "\u2019") return true; // I'm
  const nextIsWord =
    text[at + 1] === " " && isWord(text.charCodeAt(at + 2)) && isWord(text.charCodeAt(at + 3));
  return (letter === "I" || letter === "a" || letter === "A") && nextIsWord && !startsReason(text, at + 2);
}

const reasons = ["because", "since", "as ", "is ", "and ", "or ", "but ", "nor "];

/** "A because", "A is right": here the letter is a choice, not an article. */
function startsReason(text: string, at: number): boolean {
  return reasons.some((word) => text.startsWith(word, at));
}

function isSetOff(text: string, at: number): boolean {
  const before = text[at - 1] ?? "\n";
  const after = text[at + 1] ?? "\n";
  if ('([{*$`"'.includes(before)) return true;
  return ").:*]}".includes(after) && (isSpace(before.charCodeAt(0)) || before > "\u2e80");
}

function isLatin(unit: number): boolean {
  return (unit >= 65 && unit <= 90) || (unit >= 97 && unit <= 122);
}

/** What follows "no" in an idiom that denies nothing. */
const idioms = /\bno (?:doubt|idea|clue|way to|matter|problem|longer sure)\b/g;

/**
 * Whether a text says yes (true) or no (false); undefined when it says both or neither. Whole words only: `not`, `know`
 * say nothing; "not true" is no. In Chinese 是, 对, 有, 正确 at the beginning say yes, and 不, 没有, 否, 错 say no.
 */
export function readYesNo(text: string): boolean | undefined {
  const plain = folded(text)
    .toLowerCase()
    .replace(idioms, " ")
    .replace(/\bnot true\b/g, "no")
    .replace(/\bnot false\b/g, "yes");
  const words = new Set(plain.match(/[\p{Script=Latin}\d]+/gu));
  const yes = words.has("yes") || words.has("true");
  const no = words.has("no") || words.has("false");
  return yes === no ? (yes ? undefined : chineseYesNo(plain)) : yes;
}

function chineseYesNo(text: string): boolean | undefined {
  const told = text.replace(/^.*答案[是为:]?/s, "").replace(/是否|有没有|是不是/g, "");
  const first = /\p{Script=Han}+/u.exec(told)?.[0] ?? "";
  if (/^(?:不|没|沒|否|无|错|錯)/.test(first) || /没有|沒有|不存在|不是/.test(told)) return false;
  return /^(?:是|对|對|有|正确|正確|存在)/.test(first) ? true : undefined;
}
