import { readFileSync } from "node:fs";
import { VlmR1Error } from "@vlmr1/core";
import { expect, test } from "vitest";
import { readPickle, type PickleValue } from "../../src/index.ts";

/** Written by CPython's pickle module (and, for `python2-*`, in the opcodes of Python 2's cPickle). */
const pickles = JSON.parse(
  readFileSync(new URL("../fixtures/pickles.json", import.meta.url), "utf8"),
) as Record<string, string>;

const pickle = (name: string): Uint8Array => Buffer.from(pickles[name]!, "base64");

const shared: PickleValue = ["same"];
const plain = new Map<PickleValue, PickleValue>([
  [
    "list",
    [
      1,
      -1,
      255,
      256,
      65535,
      65536,
      2147483647,
      2147483648,
      -2147483649,
      9007199254740992n,
      9223372036854775808n,
      -1180591620717411303424n,
      0,
    ],
  ],
  ["floats", [0.5, -0, 1e300, Infinity]],
  ["bools", [true, false, null]],
  ["text", "naïve 😀 \"quote\" 'single' \\ back\nline\ttab"],
  ["empty", ["", [], new Map(), []]],
  ["tuple", [1]],
  ["tuple3", [1, 2, 3]],
  ["tuple4", [1, 2, 3, 4]],
  ["nested", new Map([["a", new Map([["b", [new Map([["c", 1]])]]])]])],
  [7, "int key"],
  ["shared", [shared, shared]],
]);

function refusal(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (VlmR1Error.is(error, "invalid-data")) return error.message;
    throw error;
  }
  return "nothing was refused";
}

test.each([0, 1, 2, 3, 4, 5])("reads what CPython's protocol %i writes", (protocol) => {
  expect(readPickle(pickle(`plain-${protocol}`))).toEqual(plain);
});

test("keeps values that are shared in Python shared", () => {
  const dict = readPickle(pickle("plain-4")) as Map<string, PickleValue[]>;
  const [first, second] = dict.get("shared")!;
  expect(first).toBe(second);
});

test("reads bytes, bytearrays, sets and frozensets", () => {
  expect(readPickle(pickle("bytes-3"))).toEqual([
    new Uint8Array([97, 98, 255, 97, 98, 255, 97, 98, 255]),
    new Uint8Array(300).fill(120),
  ]);
  expect(readPickle(pickle("bytearray-5"))).toEqual(new Uint8Array([97, 98, 99]));
  expect(readPickle(pickle("sets-4"))).toEqual([new Set([1, 2]), new Set(["a"])]);
});

test("reads Python 2's strings as UTF-8, or as Latin-1 when they are not", () => {
  const text = readPickle(pickle("python2-0"));
  expect(text).toEqual(
    new Map<PickleValue, PickleValue>([
      ["sent", "café 'x'"],
      ["id", 12],
      ["ok", true],
      ["big", 123456789012345678901n],
      ["u", "é中"],
      ["f", 1.5],
    ]),
  );
  expect((readPickle(pickle("python2-2")) as Map<string, string>).get("sent")).toBe("café!");
});

test.each(["system-0", "system-1", "system-2", "system-4"])(
  "refuses to call os.system (%s) and names it",
  (name) => {
    expect(refusal(() => readPickle(pickle(name)))).toMatch(
      /opcode (STACK_)?GLOBAL would import a name: (posix|nt)\.system/,
    );
  },
);

test("names what a pickle of objects would import", () => {
  expect(refusal(() => readPickle(pickle("ordereddict-2"), "refs(unc).p"))).toMatchInlineSnapshot(
    `"refs(unc).p, pickle byte 2: opcode GLOBAL would import a name: collections.OrderedDict. Only plain data is read. If you trust the file, load it in Python and save it again as lists, dicts, strings and numbers."`,
  );
  expect(refusal(() => readPickle(pickle("date-5")))).toContain("datetime.date");
  expect(refusal(() => readPickle(pickle("numpy-4")))).toContain("numpy");
  expect(refusal(() => readPickle(pickle("bytes-2")))).toContain("_codecs.encode");
});

test.each([
  ["GLOBAL", 0x63],
  ["STACK_GLOBAL", 0x93],
  ["INST", 0x69],
  ["OBJ", 0x6f],
  ["REDUCE", 0x52],
  ["BUILD", 0x62],
  ["NEWOBJ", 0x81],
  ["NEWOBJ_EX", 0x92],
  ["EXT1", 0x82],
  ["EXT2", 0x83],
  ["EXT4", 0x84],
  ["PERSID", 0x50],
  ["BINPERSID", 0x51],
  ["NEXT_BUFFER", 0x97],
  ["READONLY_BUFFER", 0x98],
])("refuses opcode %s by name", (name, opcode) => {
  expect(refusal(() => readPickle(Uint8Array.of(0x80, 4, 0x4e, 0x4e, opcode, 0x2e)))).toContain(
    `opcode ${name} would`,
  );
});

test("refuses every truncation of a pickle", () => {
  for (const name of ["plain-0", "plain-2", "plain-4"]) {
    const bytes = pickle(name);
    for (let length = 0; length < bytes.length; length++) {
      expect(refusal(() => readPickle(bytes.subarray(0, length)))).not.toBe("nothing was refused");
    }
  }
});

test.each([
  ["a stack that is empty", [0x2e]],
  ["a mark that was never set", [0x65]],
  ["a memo that was never set", [0x68, 3, 0x2e]],
  ["an append to a number", [0x4b, 1, 0x4b, 2, 0x61, 0x2e]],
  ["a key without a value", [0x7d, 0x28, 0x4b, 1, 0x75, 0x2e]],
  ["a value taken from below a mark", [0x4b, 1, 0x28, 0x2e]],
  ["a string longer than the file", [0x58, 0xff, 0xff, 0xff, 0xff, 0x2e]],
  ["a string of 2^63 bytes", [0x8d, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x2e]],
  ["an integer of a megabyte", [0x8b, 0, 0, 0x10, 0, ...new Array<number>(2000).fill(1), 0x2e]],
  ["a protocol of the future", [0x80, 99, 0x4e, 0x2e]],
  ["a byte that is no opcode", [0xff]],
])("refuses %s", (_, bytes) => {
  expect(refusal(() => readPickle(Uint8Array.from(bytes)))).toMatch(/pickle byte \d+/);
});
