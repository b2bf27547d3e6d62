import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

/** Reads a JSON fixture; names ending in .gz are unpacked. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller knows what its fixture holds
export function fixture<T>(name: string): T {
  const bytes = readFileSync(new URL(`fixtures/${name}`, import.meta.url));
  return JSON.parse((name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8")) as T;
}

/** The greatest difference between two lists of numbers of one length. */
export function greatestDifference(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) return Infinity;
  return Math.max(0, ...a.map((value, i) => Math.abs(value - (b[i] as number))));
}
