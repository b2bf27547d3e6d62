import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { formatReward, readAnswer, readBoxes, readChoice, readNumber, readYesNo } from "../src/index.ts";

const page = readFileSync(new URL("../../../docs/choose-a-reward.md", import.meta.url), "utf8");

/** The cells of a section's table, without its head. */
function rowsOf(section: string): string[][] {
  const text = page.split(`### ${section}\n`)[1]?.split("\n#")[0] ?? "";
  const lines = text.split("\n").filter((line) => line.startsWith("| "));
  return lines.slice(1).map((line) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll("\\|", "|")),
  );
}

/** The texts between backticks. */
function examplesOf(cell = ""): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, example]) => example as string);
}

test("docs: the table of boxes says what is read", () => {
  const rows = rowsOf("Boxes");
  expect(rows.length).toBeGreaterThan(25);
  for (const [form, , verdict] of rows) {
    const example = examplesOf(form)[0] as string;
    expect([example, readBoxes(example)]).toEqual([example, verdict === "read" ? [[12, 30, 96, 80]] : []]);
  }
});

test("docs: the table of spans says what is read", () => {
  const rows = rowsOf("Spans");
  expect(rows.length).toBeGreaterThan(6);
  for (const [forms, answer, , format] of rows) {
    for (const completion of examplesOf(forms)) {
      expect([completion, readAnswer(completion)]).toEqual([
        completion,
        examplesOf(answer)[0] === "b" ? "b" : "",
      ]);
      const sample = { id: "1", prompt: "", images: [], target: {} };
      expect([completion, formatReward()({ completion, sample })]).toEqual([completion, Number(format)]);
    }
  }
});

test("docs: the table of numbers says what is read", () => {
  const rows = rowsOf("Numbers and counts");
  expect(rows.length).toBeGreaterThan(7);
  for (const [forms, reads = ""] of rows) {
    const number = /^[\d.]+(?=:|$)/.exec(reads)?.[0];
    for (const text of examplesOf(forms)) {
      expect([text, readNumber(text)]).toEqual([text, number === undefined ? undefined : Number(number)]);
    }
  }
});

test("docs: the table of choices says what is read", () => {
  const rows = rowsOf("Choices, yes and no");
  expect(rows.length).toBe(7);
  for (const [forms, reads = ""] of rows) {
    for (const text of examplesOf(forms)) {
      if (/^(B|none)/.test(reads))
        expect([text, readChoice(text)]).toEqual([text, reads === "B" ? "B" : undefined]);
      else expect([text, readYesNo(text)]).toEqual([text, { yes: true, no: false }[reads]]);
    }
  }
});
