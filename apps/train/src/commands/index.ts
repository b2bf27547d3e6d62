import type { AddCommand } from "../command-line.ts";
import { addEval } from "./eval.ts";
import { addGenerate } from "./generate.ts";
import { addInspect } from "./inspect.ts";
import { addReport } from "./report.ts";

/** Every command, in the order in which `--help` lists them. */
export const commands: readonly AddCommand[] = [addGenerate, addInspect, addEval, addReport];
