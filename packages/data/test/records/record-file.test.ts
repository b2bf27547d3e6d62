import { appendFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openRecordFile } from "../../src/records/record-file.ts";
import { refusal, temporaryFolder } from "../published.ts";

async function file(name: string, text: string): Promise<string> {
  const path = join(await temporaryFolder(), name);
  await writeFile(path, text);
  return path;
}

test("reads lines at random, blank lines, Windows line ends and a byte order mark aside", async () => {
  const path = await file("a.jsonl", '\ufeff{"n": 0}\r\n\r\n  \n{"n": "é"}\n[1]');
  const seen: unknown[] = [];
  const records = await openRecordFile(path, (record, place) => seen.push([place, record]) > 0);
  expect(seen).toEqual([
    ["line 1", { n: 0 }],
    ["line 4", { n: "é" }],
    ["line 5", [1]],
  ]);
  expect(records.length).toBe(3);
  expect([await records.read(2), await records.read(0), await records.read(1)]).toEqual([
    [1],
    { n: 0 },
    { n: "é" },
  ]);
  expect(records.place(1)).toBe("line 4");
});

test("reads lines longer than its buffer, and hundreds of thousands of short ones", async () => {
  const long = "x".repeat(2_500_000);
  const short = Array.from({ length: 200_000 }, (_, index) => `{"n":${index}}`);
  const path = await file(
    "a.jsonl",
    [...short.slice(0, 5), JSON.stringify(long), ...short.slice(5)].join("\n"),
  );
  const records = await openRecordFile(path, () => true);
  expect(records.length).toBe(200_001);
  expect(await records.read(5)).toBe(long);
  expect(await records.read(200_000)).toEqual({ n: 199_999 });
});

test("reads a JSON array, and leaves out records that are not wanted", async () => {
  const path = await file("a.json", '[{"n": 0}, {"n": 1} , {"n": 2}]\n');
  const records = await openRecordFile(path, (record) => (record as { n: number }).n !== 1);
  expect(records.length).toBe(2);
  expect([await records.read(1), records.place(1)]).toEqual([{ n: 2 }, "record 3"]);
  expect(await refusal(async () => openRecordFile(await file("b.json", '{"n": 0}'), () => true))).toMatch(
    /should be an array of records/,
  );
});

test("hands bad records to whoever wants them, and throws them otherwise", async () => {
  const path = await file("a.jsonl", "1\n{\n3");
  const bad: string[] = [];
  const records = await openRecordFile(
    path,
    () => true,
    (error) => bad.push((error as Error).message),
  );
  expect([records.length, bad.length]).toEqual([2, 1]);
  expect(await refusal(() => openRecordFile(path, () => true))).toMatch(/line 2: this is no valid JSON/);
});

test("notices a file that was changed since", async () => {
  const path = await file("a.jsonl", '{"n": 0}\n{"n": 1}');
  const records = await openRecordFile(path, () => true);
  await truncate(path, 12);
  expect(await refusal(() => records.read(1))).toMatch(/has become shorter/);
  await writeFile(path, '{"n": 0 \n}');
  await appendFile(path, "          ");
  expect(await refusal(() => records.read(0))).toMatch(/line 1: this is no valid JSON/);
});
