import type { AddCommand } from "../command-line.ts";
import { addAudit } from "./audit.ts";
import { addBench } from "./bench.ts";
import { addData } from "./data.ts";
import { addDemo } from "./demo.ts";
import { addEval } from "./eval.ts";
import { addExperiment } from "./experiment.ts";
import { addGenerate } from "./generate.ts";
import { addGrpo } from "./grpo.ts";
import { addInspect } from "./inspect.ts";
import { addReport } from "./report.ts";
import { addScore } from "./score.ts";
import { addSft } from "./sft.ts";

/** Every command, in the order in which `--help` lists them. */
export const commands: readonly AddCommand[] = [
  addDemo,
  addGrpo,
  addSft,
  addGenerate,
  addInspect,
  addEval,
  addData,
  addScore,
  addAudit,
  addReport,
  addExperiment,
  addBench,
];
