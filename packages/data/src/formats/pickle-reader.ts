import type { Buffer } from "node:buffer";
import { invalidData } from "../invalid-data.ts";
import { PLAIN_OPCODES } from "./pickle-opcodes.ts";
import { FORBIDDEN_OPCODES, forbiddenTarget } from "./pickle-forbidden.ts";

/**
 * What a pickle of plain data holds. `dict` is a Map, `list` and `tuple` are arrays, `set` and `frozenset` are Sets,
 * `bytes` and `bytearray` are Uint8Arrays; an integer that a double cannot hold is a bigint.
 */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | Set<PickleValue>;

/** The machine that a pickle program runs on: a stack, marks into it, and remembered values. */
export interface PickleMachine {
  readonly name: string;
  readonly bytes: Buffer;
  position: number;
  stack: PickleValue[];
  readonly marks: number[];
  readonly memo: Map<number, PickleValue>;
  finished: boolean;
}

/**
 * Reads one Python pickle of plain data, protocols 0 to 5, Python 2's included.
 *
 * A pickle is a program. This reader has no opcode that could import or call: each of them (GLOBAL, REDUCE, BUILD, …) is an
 * error that names the opcode and what it wanted to import. Python 2 `str` is read as UTF-8, or as Latin-1 when it is not.
 * @throws VlmR1Error `invalid-data` with the byte offset when the pickle is cut off, damaged, or asks for anything but plain data.
 * @see https://docs.python.org/3/library/pickletools.html
 */
export function readPickle(bytes: Uint8Array, name = "pickle"): PickleValue {
  const machine = openMachine(bytes, name);
  const { bytes: program } = machine;
  while (!machine.finished) {
    const at = machine.position;
    const opcode = program[at];
    if (opcode === undefined) {
      throw pickleError(machine, at, "it ends before its STOP opcode: the file is cut off");
    }
    machine.position = at + 1;
    const run = PLAIN_OPCODES[opcode];
    if (run === undefined) throw unknownOpcode(machine, at, opcode);
    run(machine);
  }
  return popValue(machine);
}

function openMachine(bytes: Uint8Array, name: string): PickleMachine {
  const program = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { name, bytes: program, position: 0, stack: [], marks: [], memo: new Map(), finished: false };
}

function unknownOpcode(machine: PickleMachine, at: number, opcode: number) {
  const forbidden = FORBIDDEN_OPCODES[opcode];
  if (forbidden === undefined) {
    return pickleError(machine, at, `byte 0x${opcode.toString(16).padStart(2, "0")} is no pickle opcode`);
  }
  const target = forbiddenTarget(machine, opcode);
  return pickleError(
    machine,
    at,
    `opcode ${forbidden.name} would ${forbidden.does}${target === undefined ? "" : ` (${target})`}; only plain data is read. ` +
      "If you trust the file, load it in Python and save it again as lists, dicts, strings and numbers",
  );
}

/** Builds the error for what a pickle does wrong at byte `at`. */
export function pickleError(machine: PickleMachine, at: number, problem: string) {
  return invalidData({ file: machine.name, place: `byte ${at} of the pickle`, problem });
}

/** Takes the top value of the stack. @throws VlmR1Error when there is none. */
export function popValue(machine: PickleMachine): PickleValue {
  const floor = machine.marks.at(-1) ?? 0;
  if (machine.stack.length <= floor) {
    throw pickleError(machine, machine.position - 1, "an opcode takes a value from an empty stack: the file is damaged");
  }
  return machine.stack.pop() as PickleValue;
}

/** Takes every value above the last mark, and the mark. @throws VlmR1Error when there is no mark. */
export function popToMark(machine: PickleMachine): PickleValue[] {
  const mark = machine.marks.pop();
  if (mark === undefined) {
    throw pickleError(machine, machine.position - 1, "an opcode looks for a MARK that was never set: the file is damaged");
  }
  return machine.stack.splice(mark);
}
