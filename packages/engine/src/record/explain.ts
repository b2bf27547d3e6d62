import { VlmR1Error } from "@vlmr1/core";
import type { LoadRequest } from "../device/device.ts";
import { userFrame } from "./call-site.ts";

/** An error of the runtime, naming the compiled function and, where the runtime names it, the operation and its line. */
export function explainRunError(
  error: unknown,
  request: Pick<LoadRequest, "name" | "whereRecorded">,
): unknown {
  if (VlmR1Error.is(error)) return error;
  const text = error instanceof Error ? error.message : String(error);
  const place = findPlace(text, request);
  return new VlmR1Error("invalid-argument", `${request.name} failed while running${place}: ${text}`, {
    cause: error,
  });
}

/** Names of nodes end with their position in recording order; recording again with places kept finds the line. */
function findPlace(text: string, { whereRecorded }: Pick<LoadRequest, "whereRecorded">): string {
  const id = /\b[A-Z][A-Za-z]+_(\d+)\b/.exec(text)?.[1];
  const site = id === undefined ? undefined : whereRecorded(Number(id));
  return site === undefined ? "" : ` in ${site.kernel}, recorded at ${userFrame(site.stack)}`;
}
