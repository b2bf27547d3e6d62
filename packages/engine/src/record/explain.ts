import { VlmR1Error } from "@vlmr1/core";

/** An error of the runtime, naming the compiled function and, where known, the operation. */
export function explainRunError(error: unknown, name: string): VlmR1Error {
  const text = error instanceof Error ? error.message : String(error);
  return new VlmR1Error("invalid-argument", `${name} failed while running: ${text}`, { cause: error });
}
