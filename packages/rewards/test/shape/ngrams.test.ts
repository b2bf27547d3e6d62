import { createRng } from "@vlmr1/core";
import { expect, test } from "vitest";
import { isSpace } from "../../src/read/characters.ts";
import { wordsOf } from "../../src/read/characters.ts";
import { distinctNgrams, wordNumbers } from "../../src/shape/repetition.ts";

const rng = createRng(5);

function randomText(length: number, alphabet: string): string {
  let text = "";
  for (let i = 0; i < length; i++) text += alphabet[rng.integer(alphabet.length)] as string;
  return text;
}

test("words are numbered by first appearance, n-grams counted, as strings would be", () => {
  for (let trial = 0; trial < 300; trial++) {
    const text = randomText(trial, trial % 2 === 0 ? "ab \n" : "abcdefgh 中  ");
    const words = wordsOf(text);
    const order = [...new Set(words)];
    const numbers = wordNumbers(text, isSpace);
    expect([...numbers]).toEqual(words.map((word) => order.indexOf(word)));
    for (let ngram = 1; ngram <= 4; ngram++) {
      const grams = new Set<string>();
      for (let i = 0; i + ngram <= words.length; i++) grams.add(words.slice(i, i + ngram).join(" "));
      expect(distinctNgrams(numbers, ngram)).toBe(grams.size);
    }
  }
});
