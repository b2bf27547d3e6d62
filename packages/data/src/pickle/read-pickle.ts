import { Buffer } from "node:buffer";
import type { VlmR1Error } from "@vlmr1/core";
import { decodeUtf8 } from "@vlmr1/core/files";
import {
  decodePython2Bytes,
  parsePythonFloat,
  parsePythonInteger,
  parseRawUnicode,
  pickleError,
  type PickleMachine,
  type PickleValue,
  popToMark,
  popValue,
  take,
  takeIndex,
  takeInteger,
  takeLine,
  takeString,
  topValue,
} from "./machine.ts";

/**
 * Reads one Python pickle of plain data: protocols 0 to 5, Python 2's included.
 *
 * A pickle is a program. This reader has no opcode that could import or call: each of them (GLOBAL, REDUCE, BUILD, …) is an
 * error that names the opcode and what it would import. A Python 2 `str` is read as UTF-8, or as Latin-1 when it is not.
 * @throws VlmR1Error `invalid-data` with the byte offset when the pickle is cut off, damaged, or asks for anything but data.
 * @see https://docs.python.org/3/library/pickletools.html
 */
export function readPickle(bytes: Uint8Array, name = "pickle"): PickleValue {
  const program = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const machine: PickleMachine = {
    name,
    bytes: program,
    position: 0,
    stack: [],
    marks: [],
    memo: [],
    distantMemo: new Map(),
    finished: false,
  };
  while (!machine.finished) {
    const opcode = program[machine.position++];
    if (opcode === undefined)
      throw pickleError(machine, "the pickle ends before its STOP opcode; the file is cut off");
    const run = PLAIN_OPCODES[opcode];
    if (run === undefined) throw refusal(machine, opcode);
    run(machine);
  }
  return popValue(machine);
}

function refusal(machine: PickleMachine, opcode: number): VlmR1Error {
  const forbidden = FORBIDDEN_OPCODES[opcode];
  if (forbidden === undefined) {
    return pickleError(
      machine,
      `0x${opcode.toString(16).padStart(2, "0")} is no pickle opcode; the file is damaged or no pickle`,
    );
  }
  const target = wantedImport(machine, opcode);
  return pickleError(
    machine,
    `opcode ${forbidden.name} would ${forbidden.action}${target === undefined ? "" : `: ${target}`}. Only plain data is read. ` +
      "If you trust the file, load it in Python and save it again as lists, dicts, strings and numbers.",
  );
}

type Opcode = (machine: PickleMachine) => void;

/** Longest LONG read, in bytes; larger ones have no place in annotations and take quadratic time to convert. */
const LONGEST_INTEGER = 1024;

/** What each opcode that only builds data does. An index that is missing is not an opcode of plain data. */
export const PLAIN_OPCODES: readonly (Opcode | undefined)[] = table({
  // Frame and stack
  0x80: (machine) => checkProtocol(machine), // PROTO
  0x95: (machine) => void take(machine, 8), // FRAME: its length only helps buffering
  0x2e: (machine) => void (machine.finished = true), // STOP
  0x28: ({ marks, stack }) => void marks.push(stack.length), // MARK
  0x30: popOrMark, // POP
  0x31: (machine) => void popToMark(machine), // POP_MARK
  0x32: (machine) => void machine.stack.push(topValue(machine)), // DUP

  // Constants
  0x4e: ({ stack }) => void stack.push(null), // NONE
  0x88: ({ stack }) => void stack.push(true), // NEWTRUE
  0x89: ({ stack }) => void stack.push(false), // NEWFALSE

  // Numbers
  0x49: (machine) => void machine.stack.push(takeInteger(machine)), // INT
  0x4c: (machine) =>
    void machine.stack.push(parsePythonInteger(machine, takeLine(machine).replace(/L$/, ""))), // LONG
  0x46: (machine) => void machine.stack.push(parsePythonFloat(machine, takeLine(machine))), // FLOAT
  0x4b: (machine) => void machine.stack.push(machine.bytes[take(machine, 1)]!), // BININT1
  0x4d: (machine) => void machine.stack.push(machine.bytes.readUInt16LE(take(machine, 2))), // BININT2
  0x4a: (machine) => void machine.stack.push(machine.bytes.readInt32LE(take(machine, 4))), // BININT
  0x47: (machine) => void machine.stack.push(machine.bytes.readDoubleBE(take(machine, 8))), // BINFLOAT
  0x8a: (machine) => pushLong(machine, machine.bytes[take(machine, 1)]!), // LONG1
  0x8b: (machine) => pushLong(machine, machine.bytes.readInt32LE(take(machine, 4))), // LONG4

  // Text and bytes
  0x53: (machine) => void machine.stack.push(takeString(machine)), // STRING
  0x56: (machine) => void machine.stack.push(parseRawUnicode(machine, takeLine(machine))), // UNICODE
  0x55: (machine) => pushPython2String(machine, machine.bytes[take(machine, 1)]!), // SHORT_BINSTRING
  0x54: (machine) => pushPython2String(machine, machine.bytes.readInt32LE(take(machine, 4))), // BINSTRING
  0x8c: (machine) => pushText(machine, machine.bytes[take(machine, 1)]!), // SHORT_BINUNICODE
  0x58: (machine) => pushText(machine, machine.bytes.readUInt32LE(take(machine, 4))), // BINUNICODE
  0x8d: (machine) => pushText(machine, takeLength64(machine)), // BINUNICODE8
  0x43: (machine) => pushBytes(machine, machine.bytes[take(machine, 1)]!), // SHORT_BINBYTES
  0x42: (machine) => pushBytes(machine, machine.bytes.readUInt32LE(take(machine, 4))), // BINBYTES
  0x8e: (machine) => pushBytes(machine, takeLength64(machine)), // BINBYTES8
  0x96: (machine) => pushBytes(machine, takeLength64(machine)), // BYTEARRAY8

  // Lists and tuples
  0x5d: ({ stack }) => void stack.push([]), // EMPTY_LIST
  0x6c: (machine) => void machine.stack.push(popToMark(machine)), // LIST
  0x61: (machine) => append(machine, [popValue(machine)]), // APPEND
  0x65: (machine) => append(machine, popToMark(machine)), // APPENDS
  0x29: ({ stack }) => void stack.push([]), // EMPTY_TUPLE
  0x74: (machine) => void machine.stack.push(popToMark(machine)), // TUPLE
  0x85: (machine) => pushTuple(machine, 1), // TUPLE1
  0x86: (machine) => pushTuple(machine, 2), // TUPLE2
  0x87: (machine) => pushTuple(machine, 3), // TUPLE3

  // Dicts and sets
  0x7d: ({ stack }) => void stack.push(new Map()), // EMPTY_DICT
  0x64: (machine) => pushDict(machine), // DICT
  0x73: setItem, // SETITEM
  0x75: (machine) => setItems(machine, popToMark(machine)), // SETITEMS
  0x8f: ({ stack }) => void stack.push(new Set()), // EMPTY_SET
  0x90: addItems, // ADDITEMS
  0x91: (machine) => void machine.stack.push(new Set(popToMark(machine))), // FROZENSET

  // Memory
  0x70: (machine) => remember(machine, takeIndex(machine)), // PUT
  0x71: (machine) => remember(machine, machine.bytes[take(machine, 1)]!), // BINPUT
  0x72: (machine) => remember(machine, machine.bytes.readUInt32LE(take(machine, 4))), // LONG_BINPUT
  0x94: (machine) => remember(machine, machine.memo.length + machine.distantMemo.size), // MEMOIZE
  0x67: (machine) => recall(machine, takeIndex(machine)), // GET
  0x68: (machine) => recall(machine, machine.bytes[take(machine, 1)]!), // BINGET
  0x6a: (machine) => recall(machine, machine.bytes.readUInt32LE(take(machine, 4))), // LONG_BINGET
});

function table(opcodes: Record<number, Opcode>): readonly (Opcode | undefined)[] {
  return Array.from({ length: 256 }, (_, code) => opcodes[code]);
}

function checkProtocol(machine: PickleMachine): void {
  const protocol = machine.bytes[take(machine, 1)]!;
  if (protocol > 5) throw pickleError(machine, `protocol ${protocol} is unknown; 0 to 5 are read`);
}

function popOrMark(machine: PickleMachine): void {
  if (machine.marks.length > 0 && machine.marks[machine.marks.length - 1] === machine.stack.length)
    machine.marks.pop();
  else popValue(machine);
}

function takeLength64(machine: PickleMachine): number {
  return Number(machine.bytes.readBigUInt64LE(take(machine, 8)));
}

function pushLong(machine: PickleMachine, size: number): void {
  if (size < 0 || size > LONGEST_INTEGER) {
    throw pickleError(machine, `an integer of ${size} bytes; at most ${LONGEST_INTEGER} are read`);
  }
  const start = take(machine, size);
  let value = 0n;
  for (let index = size - 1; index >= 0; index--)
    value = (value << 8n) | BigInt(machine.bytes[start + index]!);
  value = BigInt.asIntN(size * 8, value);
  const small = Number(value);
  machine.stack.push(Number.isSafeInteger(small) ? small : value);
}

function pushText(machine: PickleMachine, length: number): void {
  const start = take(machine, length);
  const text = decodeUtf8(machine.bytes, start, machine.position);
  if (text === undefined)
    throw pickleError(machine, `${length} bytes of text are not UTF-8; the file is damaged`);
  machine.stack.push(text);
}

function pushPython2String(machine: PickleMachine, length: number): void {
  if (length < 0) throw pickleError(machine, `a string of ${length} bytes; the file is damaged`);
  const start = take(machine, length);
  machine.stack.push(decodePython2Bytes(machine.bytes, start, machine.position));
}

function pushBytes(machine: PickleMachine, length: number): void {
  const start = take(machine, length);
  machine.stack.push(new Uint8Array(machine.bytes.subarray(start, machine.position)));
}

function pushTuple(machine: PickleMachine, size: number): void {
  const values: PickleValue[] = [];
  for (let index = 0; index < size; index++) values.push(popValue(machine));
  machine.stack.push(values.reverse());
}

function append(machine: PickleMachine, values: readonly PickleValue[]): void {
  const list = topValue(machine);
  if (!Array.isArray(list))
    throw pickleError(machine, "an opcode appends to something that is no list; the file is damaged");
  for (const value of values) list.push(value);
}

function pushDict(machine: PickleMachine): void {
  const items = popToMark(machine);
  machine.stack.push(new Map());
  setItems(machine, items);
}

function setItem(machine: PickleMachine): void {
  const value = popValue(machine);
  setItems(machine, [popValue(machine), value]);
}

function setItems(machine: PickleMachine, items: readonly PickleValue[]): void {
  const dict = topValue(machine);
  if (!(dict instanceof Map))
    throw pickleError(machine, "an opcode sets items of something that is no dict; the file is damaged");
  if (items.length % 2 !== 0)
    throw pickleError(machine, "a dict has a key without a value; the file is damaged");
  for (let index = 0; index < items.length; index += 2) dict.set(items[index]!, items[index + 1]!);
}

function addItems(machine: PickleMachine): void {
  const items = popToMark(machine);
  const set = topValue(machine);
  if (!(set instanceof Set))
    throw pickleError(machine, "an opcode adds to something that is no set; the file is damaged");
  for (const item of items) set.add(item);
}

const FURTHEST_HOLE = 1024;

function remember(machine: PickleMachine, index: number): void {
  const { memo } = machine;
  const value = topValue(machine);
  if (index === memo.length) memo.push(value);
  else if (index < memo.length) memo[index] = value;
  else if (index > memo.length + FURTHEST_HOLE) machine.distantMemo.set(index, value);
  else {
    while (memo.length < index) memo.push(machine.distantMemo.get(memo.length));
    memo.push(value);
  }
}

function recall(machine: PickleMachine, index: number): void {
  const value = machine.memo[index] ?? machine.distantMemo.get(index);
  // A remembered None is null, which `??` passes over; only picklers that are not CPython's remember it.
  if (value !== undefined) machine.stack.push(value);
  else if (machine.memo[index] === null) machine.stack.push(null);
  else throw pickleError(machine, `memo ${index} is used before it is set; the file is damaged`);
}

/** A pickle opcode that reaches outside the pickle, and what it would do there. */
interface ForbiddenOpcode {
  readonly name: string;
  readonly action: string;
}

const GLOBAL = 0x63;
const INST = 0x69;
const STACK_GLOBAL = 0x93;

/** Every opcode of protocols 0 to 5 that imports, calls, or asks the surrounding program for an object. */
export const FORBIDDEN_OPCODES: Readonly<Record<number, ForbiddenOpcode>> = {
  [GLOBAL]: { name: "GLOBAL", action: "import a name" },
  [STACK_GLOBAL]: { name: "STACK_GLOBAL", action: "import a name" },
  [INST]: { name: "INST", action: "import a class and call it" },
  0x6f: { name: "OBJ", action: "call a class" },
  0x52: { name: "REDUCE", action: "call a function" },
  0x62: { name: "BUILD", action: "run an object's __setstate__" },
  0x81: { name: "NEWOBJ", action: "call a class's __new__" },
  0x92: { name: "NEWOBJ_EX", action: "call a class's __new__" },
  0x82: { name: "EXT1", action: "import a registered extension" },
  0x83: { name: "EXT2", action: "import a registered extension" },
  0x84: { name: "EXT4", action: "import a registered extension" },
  0x50: { name: "PERSID", action: "ask the program for an object" },
  0x51: { name: "BINPERSID", action: "ask the program for an object" },
  0x97: { name: "NEXT_BUFFER", action: "ask the program for a buffer" },
  0x98: { name: "READONLY_BUFFER", action: "change a buffer of the program" },
};

/** The `module.name` that a forbidden opcode asks for, when the pickle says it beside the opcode. */
export function wantedImport(machine: PickleMachine, opcode: number): string | undefined {
  if (opcode === STACK_GLOBAL) {
    const [module, name] = machine.stack.slice(-2);
    return typeof module === "string" && typeof name === "string"
      ? printable(`${module}.${name}`)
      : undefined;
  }
  if (opcode !== GLOBAL && opcode !== INST) return undefined;
  const text = machine.bytes.toString("latin1", machine.position, machine.position + 200);
  const [module, name, rest] = text.split("\n", 3);
  return rest === undefined ? undefined : printable(`${module}.${name}`);
}

function printable(name: string): string {
  return name.replace(/[^\x20-\x7e]/g, "?").slice(0, 100);
}
