import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

/** Reads numbers made by the Python originals. */
export function fixture<T>(name: string): T {
  const bytes = readFileSync(new URL(`fixtures/${name}`, import.meta.url));
  return JSON.parse((name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8")) as T;
}

/** The largest |actual - expected| / max(1, |expected|) over two nested arrays; infinite when their shapes differ. */
export function distance(actual: unknown, expected: unknown): number {
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual) || actual.length !== expected.length) return Infinity;
    return expected.reduce<number>((worst, value, i) => Math.max(worst, distance(actual[i], value)), 0);
  }
  if (typeof expected !== "number" || typeof actual !== "number") return actual === expected ? 0 : Infinity;
  const difference = Math.abs(actual - expected) / Math.max(1, Math.abs(expected));
  return Number.isNaN(difference) ? Infinity : difference;
}
