import { Buffer } from "node:buffer";
import type { VlmR1Error } from "@vlmr1/core";
import { FORBIDDEN_OPCODES, wantedImport } from "./pickle-forbidden.ts";
import { type PickleMachine, type PickleValue, pickleError, popValue } from "./pickle-machine.ts";
import { PLAIN_OPCODES } from "./pickle-opcodes.ts";

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
