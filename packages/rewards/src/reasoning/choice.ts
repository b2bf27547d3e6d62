import type { RewardFunction } from "@vlmr1/core";
import { isSpace, isWord } from "../read/characters.ts";
import { readShortAnswer } from "../read/spans.ts";
import { malformed, targetAnswer, type AnswerTarget } from "../target.ts";
import type { AnswerReading } from "./text.ts";

/**
 * 1 when the answer names the target's letter and no other, else 0. Reads `B`, `b`, `(B)`, `B.`, `B) the
 * cat`, `**B**`, `\boxed{B}`, `Answer: B`, `The answer is B because A is blue`; a list of letters (`A, B,
 * C`) names none.
 *
 * @throws VlmR1Error `invalid-data` when the target holds no single letter A..Z.
 */
export function choiceReward(reading: AnswerReading = {}): RewardFunction<AnswerTarget> {
  return ({ completion, sample }) => {
    const truth = readChoice(targetAnswer(sample));
    if (truth === undefined) throw malformed(sample, "answer", 'a choice such as "B"', targetAnswer(sample));
    return readChoice(readShortAnswer(completion, reading.answer)) === truth ? 1 : 0;
  };
}

/**
 * The one letter A..Z that a text chooses, upper-case, or undefined when it chooses none or more than one.
 * Letters after "answer", "choose", … count before letters that punctuation sets off, and these before
 * letters that merely stand alone.
 */
export function readChoice(text: string): string | undefined {
  const { announced, marked, alone } = standingLetters(text);
  const strongest = [announced, marked, alone].find((letters) => letters.size > 0);
  return strongest?.size === 1 ? [...strongest][0] : undefined;
}

interface StandingLetters {
  /** After "answer", "choose", "option", … or in \boxed{}. */
  readonly announced: Set<string>;
  /** Set off by punctuation, or all there is: `(B)`, `B.`, `B)`, `B:`, `**B**`. */
  readonly marked: Set<string>;
  readonly alone: Set<string>;
}

const announcers = new Set(["answer", "choice", "option", "choose", "select", "correct", "boxed", "pick"]);
const between = new Set(["is", "be", "the", "letter", "would"]);

/** The letters that stand alone in a text, by how clearly they are meant as a choice; one pass. */
function standingLetters(text: string): StandingLetters {
  const found: StandingLetters = { announced: new Set(), marked: new Set(), alone: new Set() };
  const short = text.trim().length <= 3;
  let announcing = false;
  let i = 0;
  while (i < text.length) {
    if (!isWord(text.charCodeAt(i))) {
      i++;
      continue;
    }
    const start = i;
    while (i < text.length && isWord(text.charCodeAt(i))) i++;
    if (i - start > 1) {
      const word = i - start > 8 ? "" : text.slice(start, i).toLowerCase();
      announcing = announcers.has(word) || (announcing && between.has(word));
    } else if (isLatin(text.charCodeAt(start))) {
      const name = (text[start] as string).toUpperCase();
      const marked = short || isSetOff(text, start);
      // `a` and `I` are words, and small letters are variables, unless something sets them off.
      const wordLike = isWordLike(text, start);
      if (marked) found.marked.add(name);
      if (announcing && (marked || !wordLike)) found.announced.add(name);
      else if (text[start] === name && !wordLike) found.alone.add(name);
      else if (!marked && wordLike) announcing = false; // "the answer is a dog"
    } else announcing = false;
  }
  return found;
}

/** Whether a lone letter reads as an English word here: `I`, `a`, and `A` before another word. */
function isWordLike(text: string, at: number): boolean {
  const letter = text[at] as string;
  if (text[at + 1] === "'" || text[at + 1] === "\u2019") return true; // I'm
  const nextIsWord =
    text[at + 1] === " " && isWord(text.charCodeAt(at + 2)) && isWord(text.charCodeAt(at + 3));
  return (letter === "I" || letter === "a" || letter === "A") && nextIsWord && !startsReason(text, at + 2);
}

const reasons = ["because", "since", "as ", "is ", "and ", "or ", "but "];

/** "A because", "A is right": here the letter is a choice, not an article. */
function startsReason(text: string, at: number): boolean {
  return reasons.some((word) => text.startsWith(word, at));
}

function isSetOff(text: string, at: number): boolean {
  const before = text[at - 1] ?? "\n";
  const after = text[at + 1] ?? "\n";
  if ("([{*$".includes(before)) return true;
  return ").:*]}".includes(after) && isSpace(before.charCodeAt(0));
}

function isLatin(unit: number): boolean {
  return (unit >= 65 && unit <= 90) || (unit >= 97 && unit <= 122);
}
