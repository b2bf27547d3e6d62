import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { RunSink } from "./events.ts";

/**
 * Writes a TensorBoard event file with one scalar per metric.
 *
 * The format is TFRecord framing (length, masked CRC-32C, payload, masked CRC-32C) around `tensorflow.Event` messages:
 * https://github.com/tensorflow/tensorboard/blob/master/tensorboard/compat/proto/event.proto
 */
export function tensorBoardSink(directory: string, startedAt: Date): RunSink {
  const seconds = Math.floor(startedAt.getTime() / 1000);
  const file = openSync(join(directory, `events.out.tfevents.${seconds}.vlmr1`), "w");
  const append = (event: Uint8Array): void => void writeSync(file, framed(event));
  const now = (): Uint8Array => doubleField(1, Date.now() / 1000);
  append(concat([now(), bytesField(3, new TextEncoder().encode("brain.Event:2"))]));
  const scalars = (step: number, metrics: readonly (readonly [string, number])[]): void => {
    const values = metrics
      .filter(([, value]) => Number.isFinite(value))
      .map(([tag, value]) => scalar(tag, value));
    if (values.length > 0) append(concat([now(), varintField(2, step), bytesField(5, concat(values))]));
  };
  return {
    write(event) {
      if (event.kind === "step") scalars(event.step, Object.entries(event.metrics));
      if (event.kind === "evaluation")
        scalars(
          event.step,
          Object.entries(event.metrics).map(([name, { value }]) => [`evaluation/${name}`, value]),
        );
    },
    close: () => closeSync(file),
  };
}

/** `Summary.Value { tag = 1; simple_value = 2 }` inside `Summary { value = 1 }`. */
function scalar(tag: string, value: number): Uint8Array {
  const simpleValue = new Uint8Array(5);
  simpleValue[0] = (2 << 3) | 5; // field 2, 32-bit
  new DataView(simpleValue.buffer).setFloat32(1, value, true);
  return bytesField(1, concat([bytesField(1, new TextEncoder().encode(tag)), simpleValue]));
}

function framed(payload: Uint8Array): Uint8Array {
  const record = new Uint8Array(payload.length + 16);
  const view = new DataView(record.buffer);
  view.setUint32(0, payload.length, true); // the upper 32 bits of the length stay 0
  view.setUint32(8, maskedChecksum(record.subarray(0, 8)), true);
  record.set(payload, 12);
  view.setUint32(12 + payload.length, maskedChecksum(payload), true);
  return record;
}

/** TFRecord rotates the checksum so that a record containing its own checksum is not mistaken for a valid one. */
function maskedChecksum(bytes: Uint8Array): number {
  const checksum = crc32c(bytes);
  return (((checksum >>> 15) | (checksum << 17)) + 0xa282ead8) >>> 0;
}

function doubleField(field: number, value: number): Uint8Array {
  const bytes = new Uint8Array(9);
  bytes[0] = (field << 3) | 1;
  new DataView(bytes.buffer).setFloat64(1, value, true);
  return bytes;
}

function varintField(field: number, value: number): Uint8Array {
  return Uint8Array.from([field << 3, ...varint(value)]);
}

function bytesField(field: number, bytes: Uint8Array): Uint8Array {
  return concat([Uint8Array.from([(field << 3) | 2, ...varint(bytes.length)]), bytes]);
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  return [...bytes, rest];
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const result = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    result.set(part, offset);
    offset += part.length;
  }
  return result;
}

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});

/** CRC-32C (Castagnoli), the checksum of TFRecord files. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (table[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
