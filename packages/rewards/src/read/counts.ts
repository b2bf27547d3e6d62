import { folded, wordsOf } from "./characters.ts";
import { announced, numbersIn, readTruthNumber } from "./numbers.ts";

/**
 * The count that an answer gives, a whole number from 0: a number in digits, else the last one in words (English up to
 * the millions, Chinese with a measure word), else 0 for "none", "no cats", "没有"; idioms ("no clue", "one of them")
 * give none.
 */
export function readCount(text: string): number | undefined {
  const told = announced(text);
  const digits = numbersIn(told);
  const plain = digits.findLast(({ kind }) => kind === "plain");
  const count = plain?.value ?? countInWords(told) ?? digits.at(-1)?.value;
  return isCount(count) ? count : undefined;
}

/** The count that a truth is; undefined when it is none or not one alone. */
export function readTruthCount(text: string): number | undefined {
  const count = /\d/.test(folded(text)) ? readTruthNumber(text) : countInWords(text);
  return isCount(count) ? count : undefined;
}

/** The number that a text is in English words and nothing else: `twelve`, `twenty-one`. */
export function numberInWords(text: string): number | undefined {
  if (text.length > 100 || !/^[a-z\s-]*[a-z][a-z\s-]*$/i.test(text)) return undefined;
  const words = text.toLowerCase().match(/[a-z]+/g) ?? [];
  const [value, end] = englishAt(words, 0);
  return end === words.length ? value : undefined;
}

function isCount(count: number | undefined): count is number {
  return count !== undefined && Number.isInteger(count) && count >= 0;
}

function countInWords(text: string): number | undefined {
  const late = text.slice(-5000);
  return lastEnglish(late) ?? lastChinese(late) ?? (saysNone(late) ? 0 : undefined);
}

const small = new Map(
  (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen " +
    "eighteen nineteen"
  )
    .split(" ")
    .map((word, i) => [word, i]),
);
const tens = new Map(
  "twenty thirty forty fifty sixty seventy eighty ninety".split(" ").map((word, i) => [word, 10 * (i + 2)]),
);
const scales = new Map(Object.entries({ dozen: 12, hundred: 100, thousand: 1e3, million: 1e6 }));

/** What makes a pronoun of "one". */
const pronounBefore = new Set("no any every each some the this that which another".split(" "));
const pronounAfter = new Set("of can could should would might must another thing way side hand".split(" "));

/** The last number in English words: `twenty-one`, `one hundred and five`, `half a dozen`. */
function lastEnglish(text: string): number | undefined {
  const words = text.toLowerCase().match(/[a-z]+|[^a-z\s-]/g) ?? [];
  let last: number | undefined;
  for (let i = 0; i < words.length;) {
    const [value, end] = englishAt(words, i);
    if (value !== undefined) last = value;
    i = Math.max(end, i + 1);
  }
  return last;
}

function englishAt(
  words: readonly string[],
  start: number,
): readonly [value: number | undefined, end: number] {
  const word = (at: number): string => words[at] ?? "";
  if (word(start) === "half" && word(start + 1) === "a" && word(start + 2) === "dozen") return [6, start + 3];
  let total = 0;
  let group: number | undefined; // below a thousand
  let i = start;
  for (; i < words.length; i++) {
    const scale = scales.get(word(i).replace(/s$/, ""));
    const unit = small.get(word(i));
    if (tens.has(word(i)) && (group === undefined || group % 100 === 0))
      group = (group ?? 0) + (tens.get(word(i)) as number);
    else if (unit !== undefined && (group === undefined || takesUnit(group, unit)))
      group = (group ?? 0) + unit;
    else if (scale !== undefined && group !== undefined && scale <= 100) group *= scale;
    else if (scale !== undefined && group !== undefined) {
      total += group * scale;
      group = 0;
    } else if (word(i) === "a" && group === undefined && scales.has(word(i + 1))) group = 1;
    else if (!(word(i) === "and" && i > start && scales.has(word(i - 1)) && isNumberWord(word(i + 1)))) break;
  }
  const one = i === start + 1 && word(start) === "one";
  if (one && (pronounBefore.has(word(start - 1)) || pronounAfter.has(word(i)))) return [undefined, i];
  return group === undefined ? [undefined, i] : [total + group, i];
}

/** Whether a unit continues a number: `twenty` + `one`, `hundred` + `twelve`. */
function takesUnit(group: number, unit: number): boolean {
  if (group % 100 === 0) return group !== 0 || unit > 0;
  return group % 10 === 0 && group % 100 >= 20 && unit > 0 && unit < 10;
}

function isNumberWord(word: string): boolean {
  return small.has(word) || tens.has(word);
}

const chineseDigits = "零一二三四五六七八九";
const chineseScales = new Map(Object.entries({ 十: 10, 百: 100, 千: 1000, 万: 10_000, 亿: 100_000_000 }));
const measures =
  "个個只隻条條张張本辆輛位名头頭匹朵棵把件台架艘座栋間间支枝根颗顆粒片块塊双雙对對套杯瓶碗盘盤箱袋包群排行列层層家户口人种種次岁歲年天元匙辆幅扇盏顶部门";

/** The last Chinese numeral that counts something or stands alone: `三只猫`, `十二个`, `共有二十一`. */
function lastChinese(text: string): number | undefined {
  const numerals = [...text.matchAll(/(?<!第)[零〇一二两兩三四五六七八九十百千万亿]+/g)];
  const counting = numerals.findLast(({ index, 0: numeral }) => {
    const after = text.slice(index + numeral.length, index + numeral.length + 1);
    return measures.includes(after) || !/\p{Script=Han}/u.test(after);
  });
  return counting && chineseValue(counting[0]);
}

function chineseValue(numeral: string): number {
  let total = 0;
  let group = 0; // below ten thousand
  let digit: number | undefined;
  for (const sign of numeral.replace(/[两兩]/g, "二").replace(/〇/g, "零")) {
    const scale = chineseScales.get(sign);
    if (scale === undefined) digit = (digit ?? 0) * 10 + chineseDigits.indexOf(sign);
    else if (scale < 10_000) {
      group += (digit ?? 1) * scale;
      digit = undefined;
    } else {
      total = (total + group + (digit ?? 0)) * scale;
      group = 0;
      digit = undefined;
    }
  }
  return total + group + (digit ?? 0);
}

const nothing = new Set("none nothing nobody".split(" "));

/** What follows "no" in an idiom that says nothing about how many there are. */
const idioms = new Set(
  "clue idea way doubt problem matter longer more less fewer information sense need reason answer certainty worries".split(
    " ",
  ),
);

/** "none", "no cats", "no one", a lone "no", "没有": that there is nothing. */
function saysNone(text: string): boolean {
  if (/没有|沒有|无一|^\s*无[。.]?\s*$/.test(text)) return true;
  const words = wordsOf(text.toLowerCase());
  return (
    words.some((word, i) => {
      if (nothing.has(word.replace(/\W+$/, ""))) return true;
      const next = (words[i + 1] ?? "").replace(/\W+$/, "");
      return word === "no" ? next !== "" && !idioms.has(next) : words.length === 1 && /^\W*no\W*$/.test(word);
    }) || /^\W*no\W*$/i.test(text)
  );
}
