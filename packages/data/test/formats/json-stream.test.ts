import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createRng } from "@vlmr1/core";
import { expect, test } from "vitest";
import {
  fieldsOf,
  fourNumbersAt,
  locateFields,
  numberAt,
  skipValue,
  stringAt,
} from "../../src/formats/json-scan.ts";
import { scanJsonFile } from "../../src/formats/json-stream.ts";
import { refusal, temporaryFolder } from "../published.ts";

const number = (text: string): number => numberAt(Buffer.from(text), 0, text.length);

test("reads numbers to the bit as JSON.parse does", () => {
  const rng = createRng(1);
  for (let round = 0; round < 20_000; round++) {
    const value = (rng.uniform() - 0.5) * 10 ** (rng.integer(12) - 3);
    const text = rng.uniform() < 0.5 ? value.toFixed(rng.integer(8)) : JSON.stringify(value);
    expect(number(text)).toBe(JSON.parse(text));
  }
  for (const text of [
    "0",
    "-0",
    "0.0",
    "-0.5",
    "10",
    "1e5",
    "1E-7",
    "-1.25e+3",
    "900100000009",
    "9007199254740993",
    "0.1",
    "123456789012345678",
    "1e999",
  ]) {
    expect(number(text)).toBe(JSON.parse(text));
  }
});

test.each([
  "",
  "-",
  ".5",
  "5.",
  "01",
  "-01",
  "00.5",
  "1.2.3",
  "+1",
  "1e",
  "1e+",
  "NaN",
  "Infinity",
  "0x10",
  "1-2",
  "--1",
])("finds that %j is no JSON number", (text) => expect(number(text)).toBeNaN());

test("reads four numbers, and nothing but four", () => {
  const into = new Float64Array(4);
  const four = (text: string): boolean => fourNumbersAt(Buffer.from(text), 0, text.length, into);
  expect(four("[ 1.5,2 ,\n3,4e1 ]")).toBe(true);
  expect([...into]).toEqual([1.5, 2, 3, 40]);
  for (const text of [
    "[1,2,3]",
    "[1,2,3,4,5]",
    "[1,2,3,null]",
    "[1,2,3,4",
    "1,2,3,4",
    "[1,2,,4]",
    "[[1],2,3,4]",
    '["1",2,3,4]',
  ]) {
    expect([text, four(text)]).toEqual([text, false]);
  }
});

test("finds the members it is asked for, whatever stands between them", () => {
  const text =
    '{"a\\"b": [1, {"id": 2}], "id" : 7 ,"name":"x\\u00e9\\n","rest":{"id":9,"s":"}]"},"none":null} tail';
  const bytes = Buffer.from(text);
  const fields = fieldsOf("id", "name", "absent");
  const end = locateFields(bytes, 0, bytes.length, fields);
  expect(text.slice(end)).toBe(" tail");
  const [a, b, c, d, e] = fields.spans;
  expect(numberAt(bytes, a!, b!)).toBe(7);
  expect(stringAt(bytes, c!, d!)).toBe("xé\n");
  expect(e).toBe(-1);
  for (let cut = 0; cut < end; cut++) expect([cut, locateFields(bytes, 0, cut, fields)]).toEqual([cut, -1]);
  expect(skipValue(bytes, 0, bytes.length)).toBe(end);
});

test("gives each element once, wherever the window of a megabyte ends", async () => {
  const path = join(await temporaryFolder(), "a.json");
  const items = Array.from({ length: 30_000 }, (_, index) => ({
    index,
    text: "x".repeat((index * 37) % 150),
  }));
  const long = { index: -1, text: "y".repeat(3_000_000) }; // longer than the window
  await writeFile(
    path,
    JSON.stringify({
      before: [[1, 2], "a"],
      items: [...items.slice(0, 10), long, ...items.slice(10)],
      after: long,
    }),
  );
  const seen: number[] = [];
  const fields = fieldsOf("index");
  const counts = await scanJsonFile(path, {
    items: (bytes, position, end) => {
      const next = locateFields(bytes, position, end, fields);
      if (next >= 0) seen.push(numberAt(bytes, fields.spans[0]!, fields.spans[1]!));
      return next;
    },
  });
  expect(counts.get("items")).toBe(30_001);
  expect(seen).toEqual([...items.slice(0, 10), long, ...items.slice(10)].map(({ index }) => index));
});

test.each<[string, RegExp]>([
  ["", /the JSON \(byte 0\): the file is empty/],
  ["   \n", /the file ends/],
  ["7", /a JSON object or array should begin here, found "7"/],
  ['{"a": [1 2]}', /behind a\[0\] \(byte 9\): a comma or \] should follow, found "2"/],
  ['{"a": [1,]}', /a\[1\].*no valid JSON/],
  ['{"a": [,1]}', /a\[0\].*no valid JSON/],
  ['{"a": 1,}', /a member's name should begin here, found "}"/],
  ['{"a" 1}', /a colon should follow/],
  ['{"a": }', /a value should be here/],
  ["{a: 1}", /a member's name should begin here, found "a"/],
  ['{"items": [], "items": []}', /"items" is there twice/],
  ['{"items": {}}', /"items" should be an array/],
  ['{"a": 1} {"b": 2}', /the JSON is complete, and "{" follows it/],
  ['{"a": [1, "x', /a\[1\].*cut off/],
  ['{"a": "\u0001"}', /a value should be here/],
])("refuses %j with the place", async (text, message) => {
  const path = join(await temporaryFolder(), "a.json");
  await writeFile(path, text);
  expect(await refusal(() => scanJsonFile(path, { items: skipValue }))).toMatch(message);
});
