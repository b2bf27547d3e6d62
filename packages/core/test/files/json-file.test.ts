import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createRng, showValue } from "../../src/index.ts";
import { parseJson, readWhole } from "../../src/files/read.ts";
import { expect, test } from "vitest";
import {
  fieldsOf,
  fourNumbersAt,
  locateFields,
  numberAt,
  skipValue,
  stringAt,
} from "../../src/files/json-values.ts";
import { scanJsonFile, scanJsonRecords } from "../../src/files/json-file.ts";
import { refusal, temporaryFolder } from "./files.ts";

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
    items: {
      element: (bytes, position, end) => {
        const next = locateFields(bytes, position, end, fields);
        if (next >= 0) seen.push(numberAt(bytes, fields.spans[0]!, fields.spans[1]!));
        return next;
      },
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
  expect(await refusal(() => scanJsonFile(path, { items: { element: skipValue } }))).toMatch(message);
});

/** What {@link scanJsonRecords} gives of a text that is read through a small window, by key. */
async function recordsOf(
  text: string,
  keys: readonly string[],
  window = 64,
): Promise<Record<string, unknown[]>> {
  const path = join(await temporaryFolder(), "a.json");
  await writeFile(path, text);
  const found: Record<string, unknown[]> = {};
  const takers = keys.map((key) => [
    key,
    (records: readonly unknown[]) => void (found[key] ??= []).push(...records),
  ]);
  const counts = await scanJsonRecords(path, Object.fromEntries(takers), { window });
  for (const key of keys) expect(counts.get(key) ?? 0).toBe(found[key]?.length ?? 0);
  return found;
}

test.each([4, 5, 7, 64, 10_000])(
  "parses the records of every named array through a window of %i bytes",
  async (window) => {
    const file = {
      info: { annotations: ["not these"], "]": '"\\' },
      description: '{"annotations":[1]}',
      annotations: [
        { id: 1, text: 'quote " bracket ] comma , \\' },
        { id: 2, nested: [[1, 2], { a: [] }] },
        null,
        5,
        "é😀",
      ],
      images: [],
      "other]": [1, 2, 3],
      categories: [{ id: 1 }],
    };
    for (const text of [JSON.stringify(file), JSON.stringify(file, null, 3)]) {
      expect(await recordsOf(text, ["annotations", "images", "categories"], window)).toEqual({
        annotations: file.annotations,
        categories: file.categories,
      });
    }
    expect(await recordsOf("\uFEFF [1,[2,3],{}]\n", [""], window)).toEqual({ "": [1, [2, 3], {}] });
    expect(await recordsOf(String.raw`{"ima\u0067es":[1]}`, ["images"], window)).toEqual({ images: [1] });
  },
);

test("records equal JSON.parse on random documents, wherever the window cuts them", async () => {
  const rng = createRng(11);
  const letters = [34, 92, 93, 44, 233, 97];
  const value = (depth: number): unknown => {
    const kind = rng.integer(depth > 3 ? 4 : 6);
    const list = <T>(most: number, make: (i: number) => T): T[] =>
      Array.from({ length: rng.integer(most) }, (_, i) => make(i));
    if (kind === 0) return rng.normal();
    if (kind === 1) return rng.integer(2) === 1;
    if (kind === 2) return null;
    if (kind === 3) return String.fromCodePoint(...list(5, () => letters[rng.integer(6)]!));
    if (kind === 4) return list(4, () => value(depth + 1));
    return Object.fromEntries(list(4, (i) => [`k${i}"`, value(depth + 1)]));
  };
  for (let i = 0; i < 300; i++) {
    const records = Array.from({ length: 1 + rng.integer(9) }, () => value(0));
    const text = JSON.stringify({ other: value(0), records, last: value(0) }, null, rng.integer(3));
    expect(await recordsOf(text, ["records"], 4 + rng.integer(40))).toEqual({ records });
  }
});

test("JSON of 20,000 levels is a named error wherever it stands", async () => {
  const deep = `${"[".repeat(20_000)}${"]".repeat(20_000)}`;
  for (const text of [
    `{"items": [${deep}]}`,
    `{"other": ${deep}, "items": []}`,
    `{"items": [{"a": ${deep}}]}`,
  ]) {
    await expect(recordsOf(text, ["items"])).rejects.toThrow(/nested more than 512 levels/);
  }
  expect(() => parseJson(deep, { file: "config.json" })).toThrow(
    /config\.json: the JSON is nested more than 512 levels/,
  );
  expect(parseJson(`["${"[".repeat(20_000)}"]`, { file: "config.json" })).toHaveLength(1);
  expect(showValue(JSON.parse(deep)).length).toBeLessThan(120);
});

test("a pipe, a folder and a Git LFS pointer are said to be what they are", async () => {
  const folder = await temporaryFolder();
  const pipe = join(folder, "pipe.json");
  execFileSync("/bin/sh", ["-c", `mkfifo "$0"`, pipe]);
  expect(await refusal(() => scanJsonRecords(pipe, {}))).toMatch(
    /^invalid-data: .*pipe\.json: this is a pipe/,
  );
  expect(await refusal(() => readWhole(folder, 100))).toMatch(
    /^invalid-data: .*: this is a folder, not a file/,
  );
  const pointer = join(folder, "pointer.json");
  await writeFile(pointer, "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 12345\n");
  expect(await refusal(() => scanJsonRecords(pointer, {}))).toMatch(
    /^invalid-data: .*Git LFS pointer.*git lfs pull/,
  );
  expect(await refusal(() => readWhole(pointer, 20))).toMatch(/^limit: .*has 72 bytes, and at most 20/);
});

test("a value in an error is JSON of about a hundred characters, whatever its size", () => {
  expect(showValue({ size: [3, 3.5], counts: [9, Number.NaN] })).toBe(
    '{"size": [3, 3.5], "counts": [9, NaN]}',
  );
  expect(showValue("x".repeat(1e6))).toHaveLength(63);
  for (const value of [
    Array(1e6).fill("long text ".repeat(9)),
    Object.fromEntries(Array.from({ length: 1e4 }, (_, i) => [`k${i}`, i])),
    10n ** 90n,
  ]) {
    expect(showValue(value).length).toBeLessThanOrEqual(100);
  }
});
