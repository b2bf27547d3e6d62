export type { PickleValue } from "./formats/pickle-machine.ts";
export { readPickle } from "./formats/pickle-reader.ts";
export { writePickle, type Picklable } from "./formats/pickle-writer.ts";
