import { loadOnnxModel, type OnnxSession, type SessionOptions } from "./onnx-runtime.ts";

/** A model and the folder of the files that it maps. */
export interface SessionRequest {
  readonly model: Uint8Array;
  readonly threads: number;
  /** Absent when nothing of the model lies in a file. */
  readonly folder?: string | undefined;
  /** Whether the model has baked float32 constants. */
  readonly folding: boolean;
  /** See `CompileOptions`. */
  readonly keepScratch: boolean;
}

type SessionChoices = Pick<SessionRequest, "threads" | "folding" | "keepScratch">;

const options = ({ threads, folding, keepScratch }: SessionChoices): SessionOptions => ({
  executionProviders: ["cpu"],
  intraOpNumThreads: threads,
  interOpNumThreads: 1,
  executionMode: "sequential",
  // The recorder has simplified the graph. Only what is computed from baked constants is worth computing once; on a
  // training graph the optimizer would take longer than everything else and find nothing.
  graphOptimizationLevel: folding ? "basic" : "disabled",
  // The planned block would live beside the arena of the first run: 1.6 times the memory at the same speed.
  enableMemPattern: false,
  enableCpuMemArena: keepScratch,
  logSeverityLevel: 4, // errors are thrown; the log would only repeat them
});

/** Creates a session. Spinning is off: on a machine that others use too, spinning threads halve the speed. */
export function createSession({ model, folder, ...choices }: SessionRequest): Promise<OnnxSession> {
  const files = folder === undefined ? {} : { model_external_initializers_file_folder_path: folder };
  const session = { intra_op: { allow_spinning: "0" }, ...files };
  return loadOnnxModel(model, { ...options(choices), extra: { session } });
}
