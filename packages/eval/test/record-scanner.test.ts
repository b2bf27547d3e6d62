import { createRng, VlmR1Error } from "@vlmr1/core";
import { describe, expect, test } from "vitest";
import { createRecordScanner, type RecordBatch } from "../src/record-scanner.ts";

/** Scans a text in pieces of the given size and gathers what comes out, by member. */
function scan(text: string, members: readonly string[], size: number): Record<string, unknown[]> {
  const bytes = Buffer.from(text, "utf8");
  const scanner = createRecordScanner("file.json", members);
  const batches: RecordBatch[] = [];
  for (let i = 0; i < bytes.length; i += size) batches.push(...scanner.push(bytes.subarray(i, i + size)));
  scanner.end();
  const found: Record<string, unknown[]> = {};
  for (const { member, records } of batches) (found[member] ??= []).push(...records);
  return found;
}

const errorOf = (text: string, members: readonly string[]): string => {
  try {
    scan(text, members, 7);
  } catch (error) {
    if (VlmR1Error.is(error))
      return `${error.code}: ${error.message.replace(/\(.*\)/u, "(the parser's words)")}`;
  }
  return "no error";
};

describe("records", () => {
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
  const members = ["annotations", "images", "categories"];
  const expected = { annotations: file.annotations, images: [], categories: file.categories };
  test.each([1, 2, 3, 7, 64, 10_000])("come out whole whatever the pieces: %i bytes", (size) => {
    for (const text of [JSON.stringify(file), JSON.stringify(file, null, 3)]) {
      expect(scan(text, members, size)).toEqual(expected);
    }
  });
  test("of a top array come out, after a byte order mark too", () => {
    expect(scan("\uFEFF [1,[2,3],{}]\n", [""], 2)).toEqual({ "": [1, [2, 3], {}] });
  });
  test("with escaped keys are found", () => {
    expect(scan(String.raw`{"ima\u0067es":[1]}`, ["images"], 3)).toEqual({ images: [1] });
  });
  test("keep nothing of what is passed over, however long it is", () => {
    const scanner = createRecordScanner("file.json", ["images"]);
    const piece = Buffer.alloc(1 << 20, "x");
    scanner.push(Buffer.from('{"info":["'));
    const start = performance.now();
    for (let i = 0; i < 200; i++) scanner.push(piece);
    expect(performance.now() - start).toBeLessThan(20_000); // keeping it would copy 20 GB
    expect(scanner.push(Buffer.from('"],"images":[7]}'))).toEqual([{ member: "images", records: [7] }]);
    scanner.end();
  });
  test("equal JSON.parse on random documents cut at random places", () => {
    const rng = createRng(11);
    const value = (depth: number): unknown => {
      const kind = rng.integer(depth > 3 ? 4 : 6);
      if (kind === 0) return rng.normal();
      if (kind === 1) return rng.integer(2) === 1;
      if (kind === 2) return null;
      if (kind === 3)
        return String.fromCodePoint(
          ...Array.from(
            { length: rng.integer(5) },
            () => [34, 92, 93, 44, 233, 97][rng.integer(6)] as number,
          ),
        );
      if (kind === 4) return Array.from({ length: rng.integer(4) }, () => value(depth + 1));
      return Object.fromEntries(
        Array.from({ length: rng.integer(4) }, (_, i) => [`k${i}"`, value(depth + 1)]),
      );
    };
    for (let i = 0; i < 300; i++) {
      const records = Array.from({ length: rng.integer(9) }, () => value(0));
      const text = JSON.stringify({ other: value(0), records, last: value(0) }, null, rng.integer(3));
      expect(scan(text, ["records"], 1 + rng.integer(40))).toEqual({ records });
    }
  });
});

describe("malformed files are refused", () => {
  test.each([
    ["nothing", "", [""]],
    ["only space", "  \n", [""]],
    ["no JSON", "hello", [""]],
    ["a cut array", '[{"id":1},{"id":2},{"i', [""]],
    ["a cut object", '{"images":[1,2', ["images"]],
    ["NaN, as Python writes it", '[{"score":NaN}]', [""]],
    ["a trailing comma", "[1,2,]", [""]],
    ["a leading comma", "[,1]", [""]],
    ["a closing bracket too many", "[1]]", [""]],
    ["an object where an array is expected", '{"annotations":[]}', [""]],
    ["an array where an object is expected", "[1]", ["images"]],
    ["a member that is no array", '{"images":{"id":1}}', ["images"]],
  ])("%s", (_, text, members) => {
    expect(errorOf(text, members)).toMatchSnapshot();
  });
});
