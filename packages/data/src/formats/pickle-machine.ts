import type { Buffer } from "node:buffer";
import type { VlmR1Error } from "@vlmr1/core";
import { invalidData } from "@vlmr1/core/files";

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
  readonly stack: PickleValue[];
  readonly marks: number[];
  /** Remembered values; a hole is `undefined`. Indices far past the end, which no pickler writes, are in `distantMemo`. */
  readonly memo: (PickleValue | undefined)[];
  readonly distantMemo: Map<number, PickleValue>;
  finished: boolean;
}

/** Builds the error for what a pickle does wrong just before the machine's position. */
export function pickleError(machine: PickleMachine, problem: string): VlmR1Error {
  return invalidData({
    file: machine.name,
    place: `pickle byte ${Math.max(0, machine.position - 1)}`,
    problem,
  });
}

/** How much of the stack lies below the last mark. (Reading `marks[-1]` of an empty array is correct and very slow.) */
function floor({ marks }: PickleMachine): number {
  return marks.length === 0 ? 0 : marks[marks.length - 1]!;
}

/** Takes the top value of the stack. @throws VlmR1Error when there is none. */
export function popValue(machine: PickleMachine): PickleValue {
  if (machine.stack.length <= floor(machine)) {
    throw pickleError(machine, "an opcode takes a value from an empty stack; the file is damaged");
  }
  return machine.stack.pop() as PickleValue;
}

/** The top value of the stack, left where it is. @throws VlmR1Error when there is none. */
export function topValue(machine: PickleMachine): PickleValue {
  if (machine.stack.length <= floor(machine)) {
    throw pickleError(machine, "an opcode needs a value on the stack; the file is damaged");
  }
  return machine.stack[machine.stack.length - 1] as PickleValue;
}

/** Takes every value above the last mark, and the mark. @throws VlmR1Error when there is no mark. */
export function popToMark(machine: PickleMachine): PickleValue[] {
  const mark = machine.marks.pop();
  if (mark === undefined)
    throw pickleError(machine, "an opcode looks for a MARK that was never set; the file is damaged");
  const values = machine.stack.slice(mark);
  machine.stack.length = mark;
  return values;
}

/** Moves over `count` bytes and returns where they begin. @throws VlmR1Error when the file is shorter. */
export function take(machine: PickleMachine, count: number): number {
  const start = machine.position;
  if (count > machine.bytes.length - start) {
    throw pickleError(
      machine,
      `${count} bytes should follow and ${machine.bytes.length - start} are left; the file is cut off`,
    );
  }
  machine.position = start + count;
  return start;
}

/** Moves past the next line feed and returns where the line's text ends; protocol 0 writes its arguments as lines. */
export function lineEnd(machine: PickleMachine): number {
  const { bytes, position: start } = machine;
  let end = start;
  while (bytes[end] !== 0x0a) {
    if (end >= bytes.length) {
      throw pickleError(machine, "a line of text should follow and never ends; the file is cut off");
    }
    end++;
  }
  machine.position = end + 1;
  return end > start && bytes[end - 1] === 0x0d ? end - 1 : end;
}

/** The text up to the next line feed, which is consumed. */
export function takeLine(machine: PickleMachine): string {
  const start = machine.position;
  return machine.bytes.toString("latin1", start, lineEnd(machine));
}
