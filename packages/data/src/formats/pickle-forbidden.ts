import type { PickleMachine } from "./pickle-machine.ts";

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
