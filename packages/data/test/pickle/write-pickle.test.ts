import { createHash } from "node:crypto";
import { VlmR1Error } from "@vlmr1/core";
import { expect, test } from "vitest";
import { readPickle, writePickle, type Picklable } from "../../src/index.ts";

const refs: Picklable = [
  {
    sent_ids: [0, 1],
    file_name: "COCO_train2014_000000581857_16.jpg",
    ann_id: 1719310,
    ref_id: 0,
    image_id: 581857,
    split: "train",
    sentences: [{ tokens: ["the", "lady"], raw: "THE LADY ", sent_id: 0, sent: "the lady" }],
    category_id: 1,
  },
];

test("what it writes is read back equal", () => {
  const values: Picklable[] = [
    null,
    true,
    false,
    0,
    255,
    256,
    65535,
    65536,
    -1,
    -129,
    2 ** 31,
    -(2 ** 31) - 1,
    2 ** 52,
    0.1,
  ];
  const all = {
    values,
    text: ["", "a", "é中😀", "a"],
    nested: [[[]]],
    "": {},
    big: [2n ** 70n, -(2n ** 63n), 128n, -128n],
  };
  expect(readPickle(writePickle(all))).toEqual(
    new Map<unknown, unknown>([
      ["values", values],
      ["text", ["", "a", "é中😀", "a"]],
      ["nested", [[[]]]],
      ["", new Map()],
      ["big", [2n ** 70n, -9223372036854775808n, 128, -128]],
    ]),
  );
  expect(readPickle(writePickle(new Map<Picklable, Picklable>([[7, "int key"]])))).toEqual(
    new Map([[7, "int key"]]),
  );
});

test("keeps negative zero, NaN and infinities", () => {
  const written = readPickle(writePickle([-0, Number.NaN, Infinity])) as number[];
  expect(Object.is(written[0], -0)).toBe(true);
  expect(written.slice(1)).toEqual([Number.NaN, Infinity]);
});

test("writes lists and dicts of more than one batch", () => {
  const list = Array.from({ length: 2501 }, (_, index) => index);
  const dict = Object.fromEntries(list.map((index) => [`k${index}`, index]));
  expect(readPickle(writePickle([list, dict]))).toEqual([list, new Map(Object.entries(dict))]);
});

test("the bytes are those that CPython 3.11 was seen to load", () => {
  expect(createHash("sha256").update(writePickle(refs)).digest("hex")).toMatchInlineSnapshot(
    `"d9f186624cd0df7b37b7515270ea809f0c4bc6bc6d8e4ce53adb08f8ddd4d2af"`,
  );
});

test("writes a string that occurs twice once", () => {
  const once = writePickle(["file_name_of_an_image"]).length;
  expect(writePickle(["file_name_of_an_image", "file_name_of_an_image"]).length).toBe(once + 2);
});

test.each([
  ["undefined", undefined],
  ["a function", () => 1],
  ["a date", new Date(0)],
  ["bytes", new Uint8Array(2)],
])("refuses %s", (_, value) => {
  expect(() => writePickle([value as unknown as Picklable])).toThrow(/writePickle writes null/);
});

test("refuses a cycle", () => {
  const cycle: Picklable[] = [];
  cycle.push(cycle);
  let caught: unknown;
  try {
    writePickle(cycle);
  } catch (error) {
    caught = error;
  }
  expect(VlmR1Error.is(caught, "invalid-argument")).toBe(true);
});
