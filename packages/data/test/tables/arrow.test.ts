import { join } from "node:path";
import { expect, test } from "vitest";
import { openTable } from "../../src/index.ts";
import { published, refusal } from "../published.ts";

const hf = (name: string): string => join(published, "hf", name);

test("reads every type of column that pyarrow wrote, nulls included, in batches of two rows", async () => {
  const table = await openTable(hf("wide.arrow"));
  expect(table.columns).toEqual(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"]);
  expect(table.length).toBe(3);
  const bytes = (text: string): Uint8Array => Buffer.from(text);
  expect(await table.row(0)).toEqual({
    a: 1,
    b: 9223372036854775809n,
    c: 1.5,
    d: "x",
    e: bytes("1"),
    f: [1],
    g: [1, 2],
    h: { x: 1, y: "p" },
    i: new Uint8Array([97, 98]),
    j: null,
    k: [{ key: "k", value: 1 }],
    l: true,
  });
  expect(await table.row(1)).toEqual({
    a: -1,
    b: null,
    c: null,
    d: null,
    e: bytes(""),
    f: null,
    g: [3, 4],
    h: null,
    i: new Uint8Array([99, 100]),
    j: null,
    k: [],
    l: null,
  });
  expect(await table.row(2)).toEqual({
    a: null,
    b: 3,
    c: -0.25,
    d: "é😀",
    e: null,
    f: [2, 3],
    g: null,
    h: { x: null, y: "q" },
    i: null,
    j: null,
    k: null,
    l: false,
  });
});

test("scans the columns that are asked for, in order", async () => {
  const rows: unknown[] = [];
  await (await openTable(hf("wide.arrow"))).scan(["d", "a"], (row, index) => rows.push([index, row]));
  expect(rows).toEqual([
    [0, { a: 1, d: "x" }],
    [1, { a: -1, d: null }],
    [2, { a: null, d: "é😀" }],
  ]);
});

test("says what it does not read", async () => {
  expect(await refusal(() => openTable(hf("dictionary.arrow")))).toMatch(/column "a" is dictionary-encoded/);
  expect(await refusal(() => openTable(hf("compressed.arrow")))).toMatch(
    /compressed Arrow buffers are not supported; save without/,
  );
});
