import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import type { HostData } from "../engine-types.ts";
import { bytesOf } from "../host-data.ts";

/** Baked constants above this total are mapped from a file instead of copied through the model. */
export const externalThreshold = 1 << 22;
/** Name of the file of constants in its folder. */
export const constantsFile = "constants.bin";
/** Constants start at multiples of this in the file: the alignment that lets the runtime use the mapping itself. */
export const constantsAlignment = 4096;

/** A model and the constants that belong into the file beside it. */
export interface SessionRequest {
  readonly model: Uint8Array;
  readonly threads: number;
  readonly external: readonly { readonly data: HostData; readonly offset: number }[];
  /** Whether the model has baked constants. */
  readonly folding: boolean;
  /** See `CompileOptions`. */
  readonly keepScratch: boolean;
}

type SessionChoices = Pick<SessionRequest, "threads" | "folding" | "keepScratch">;

const options = ({ threads, folding, keepScratch }: SessionChoices): ort.InferenceSession.SessionOptions => ({
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
export async function createSession({
  model,
  external,
  ...choices
}: SessionRequest): Promise<ort.InferenceSession> {
  const session = { intra_op: { allow_spinning: "0" } };
  if (external.length === 0)
    return ort.InferenceSession.create(model, { ...options(choices), extra: { session } });
  const folder = await mkdtemp(join(tmpdir(), "vlmr1-engine-"));
  try {
    await writeConstants(join(folder, constantsFile), external);
    const extra = { session: { ...session, model_external_initializers_file_folder_path: folder } };
    return await ort.InferenceSession.create(model, { ...options(choices), extra });
  } finally {
    await rm(folder, { recursive: true, force: true }); // the mapping outlives the name
  }
}

async function writeConstants(path: string, external: SessionRequest["external"]): Promise<void> {
  const file = await open(path, "w");
  try {
    for (const { data, offset } of external) await file.write(bytesOf(data), 0, data.byteLength, offset);
  } finally {
    await file.close();
  }
}
