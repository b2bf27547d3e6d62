import { VlmR1Error } from "@vlmr1/core";

/** Reads the fields of one kind of record; a wrong field is an error that names file, record, field and value. */
export interface RecordCheck {
  /** A finite number. */
  number(record: unknown, index: number, field: string): number;
  /** Four finite numbers [x, y, width, height], or undefined where the field is absent, null or []. */
  xywh(record: unknown, index: number, field: string): readonly number[] | undefined;
  /** Throws the error that this record is refused with. */
  refuse(record: unknown, index: number, field: string, expected: string): never;
}

/** @param source file name or the like; @param noun what one record is called. */
export function recordCheck(source: string, noun: string): RecordCheck {
  const refuse = (record: unknown, index: number, field: string, expected: string): never => {
    const isRecord = typeof record === "object" && record !== null;
    const found = isRecord ? (record as Record<string, unknown>)[field] : record;
    const place = isRecord ? `${noun} ${index}${nameOf(record)}: "${field}"` : `${noun} ${index}`;
    const wanted = isRecord ? expected : `an object with "${field}"`;
    throw new VlmR1Error("invalid-data", `${source}: ${place} must be ${wanted}, got ${showValue(found)}.`);
  };
  const number = (record: unknown, index: number, field: string): number => {
    const value = (record as Record<string, unknown> | null | undefined)?.[field];
    return typeof value === "number" && Number.isFinite(value)
      ? value
      : refuse(record, index, field, "a finite number");
  };
  const xywh = (record: unknown, index: number, field: string): readonly number[] | undefined => {
    const value = (record as Record<string, unknown> | null | undefined)?.[field];
    if (value === undefined || value === null) return undefined;
    if (!Array.isArray(value))
      return refuse(record, index, field, "four finite numbers [x, y, width, height]");
    if (value.length === 0) return undefined;
    for (let i = 0; i < 4; i++) {
      if (typeof value[i] === "number" && Number.isFinite(value[i]) && value.length === 4) continue;
      return refuse(record, index, field, "four finite numbers [x, y, width, height]");
    }
    return value as number[];
  };
  return { number, xywh, refuse };
}

/** A value for an error message, cut to a readable length. */
export function showValue(value: unknown): string {
  if (typeof value === "number" || value === undefined) return String(value);
  const text = JSON.stringify(value, namedNumbers) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** JSON would write NaN and Infinity as null. */
function namedNumbers(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}

function nameOf(record: object): string {
  const { id } = record as { id?: unknown };
  return typeof id === "number" || typeof id === "string" ? ` (id ${id})` : "";
}
