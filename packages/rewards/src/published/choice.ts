import { isPythonSpace, pythonStrip } from "./python-text.ts";
import { firstAnswer, solutionAnswer } from "./tags.ts";

/**
 * `extract_choice`: the letter that a text chooses, or null.
 *
 * Bugs kept: only letters before `. , ? ! : ;` or the end count, so `(A)` and `A)` choose nothing; the last
 * letter of any word before punctuation that stands after a digit or sign counts; context is taken around
 * the letter's first occurrence anywhere, even inside a word. Fixed twin: `readChoice`.
 */
export function extractChoice(text: string): string | null {
  const characters = Array.from(collapsed(text.toUpperCase()));
  const counts = new Map<string, number>();
  characters.forEach((character, i) => {
    if (!isCapital(character) || isCapital(characters[i - 1])) return;
    const next = characters[i + 1];
    const atEnd = next === undefined || (next === "\n" && i + 2 === characters.length);
    if (atEnd || ".,?!:;".includes(next)) counts.set(character, (counts.get(character) ?? 0) + 1);
  });
  const letters = [...counts.keys()];
  if (letters.length === 0) return null;
  if (letters.length === 1) return letters[0] as string;
  // Every occurrence adds the score of the first one again.
  const scores = letters.map((letter) => (counts.get(letter) as number) * scoreOf(letter, characters));
  return letters[scores.indexOf(Math.max(...scores))] as string;
}

const keywords =
  "答案 选择 正确 是 对 ANSWER CORRECT CHOOSE SELECT RIGHT 认为 应该 觉得 THINK BELIEVE SHOULD".split(" ");

function scoreOf(letter: string, characters: readonly string[]): number {
  const at = characters.indexOf(letter);
  const context = characters.slice(Math.max(0, at - 20), at + 20).join("");
  let score = keywords.filter((keyword) => context.includes(keyword)).length;
  if (at > characters.length * 0.7) score += 2;
  const next = characters[at + 1];
  if (next !== undefined && "。.!！,，".includes(next)) score += 1;
  return score;
}

/** `re.sub(r"\s+", " ", text)`. */
function collapsed(text: string): string {
  let result = "";
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    if (!isPythonSpace(text.charCodeAt(i))) continue;
    result += `${text.slice(from, i)} `;
    while (i + 1 < text.length && isPythonSpace(text.charCodeAt(i + 1))) i++;
    from = i + 1;
  }
  return result + text.slice(from);
}

function isCapital(character: string | undefined): boolean {
  return character !== undefined && character >= "A" && character <= "Z" && character.length === 1;
}

/**
 * `mcq_reward`: 1 when the first answer chooses the solution's letter.
 *
 * Bug kept: a solution without a choice is compared as a whole, tags included, so nothing is right. Fixed
 * twin: `choiceReward`.
 */
export function mcqReward(content: string, solution: string): number {
  const correct = extractChoice(solutionAnswer(solution)) ?? pythonStrip(solution);
  const chosen = extractChoice(firstAnswer(content) ?? pythonStrip(content));
  return chosen !== null && chosen === correct ? 1 : 0;
}

/**
 * `yes_no_reward`: 1 when the first `yes` or `no` in the first answer is the solution's.
 *
 * Bugs kept: `not`, `know`, `nothing` hold a no and `eyes` a yes; two answers without either are equal.
 * Fixed twin: `yesNoReward`.
 */
export function yesNoReward(content: string, solution: string): number {
  const lower = content.toLowerCase();
  const given = firstYesNo(firstAnswer(lower) ?? pythonStrip(lower));
  return given === firstYesNo(solutionAnswer(solution.toLowerCase())) ? 1 : 0;
}

function firstYesNo(text: string): string {
  const yes = text.indexOf("yes");
  const no = text.indexOf("no");
  if (yes < 0 && no < 0) return "";
  return no < 0 || (yes >= 0 && yes < no) ? "yes" : "no";
}
