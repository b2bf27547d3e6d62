import { VlmR1Error } from "@vlmr1/core";

/**
 * How the elements of a float32 tensor lie in memory. `bfloat16` is float32 without its last 16 bits. `int8` and `int4` are matrices
 * whose rows are cut into blocks of 32 elements: a block is one float32 scale and 32 whole numbers, and an element is number times scale.
 */
export type Precision = "float32" | "bfloat16" | "int8" | "int4";

/** Elements that share one scale. */
export const blockLength = 32;

/** Bytes of a block with its scale. */
export function bytesPerBlock(precision: "int8" | "int4"): number {
  return (precision === "int8" ? blockLength : blockLength / 2) + 4;
}

/** Elements in few bits, with what is needed to widen them again. */
export type Narrow = NarrowBlocks | NarrowFloats;

/** bfloat16 elements, row-major. */
export interface NarrowFloats {
  readonly precision: "bfloat16";
  readonly shape: readonly number[];
  readonly codes: Uint16Array;
}

/** A matrix `[N, K]` in blocks along K, rows padded with zeros to B = ceil(K / 32) whole blocks. */
export interface NarrowBlocks {
  readonly precision: "int8" | "int4";
  readonly shape: readonly [rows: number, columns: number];
  /**
   * `[N, 32 B]` numbers plus 128 (`int8`, one byte each), or `[N, 32 B]` numbers plus 8 (`int4`, two in a byte, the first in the low
   * half).
   */
  readonly codes: Uint8Array;
  /** `[N, B]` */
  readonly scales: Float32Array;
}

/** What `narrow` changed. */
export interface NarrowingError {
  /** Root mean square of the differences over that of the elements; 0 for a matrix of zeros. */
  readonly relative: number;
  /** Largest |difference|. */
  readonly largest: number;
}

/** Stores elements in few bits. Throws `VlmR1Error` `invalid-argument` for what has no such form. */
export function narrow(
  data: Float32Array,
  shape: readonly number[],
  precision: Exclude<Precision, "float32">,
): Narrow {
  if (precision === "bfloat16") return { precision, shape, codes: toBfloat16(data) };
  const [rows, columns, ...rest] = shape;
  if (rows === undefined || columns === undefined || rest.length > 0 || data.length === 0) {
    throw new VlmR1Error(
      "invalid-argument",
      `Only matrices can be stored as ${precision}; got shape [${shape.join(", ")}]. Keep it in float32 or bfloat16.`,
    );
  }
  return toBlocks(data, [rows, columns], precision);
}

/** The elements again, in float32. */
export function widen(stored: Narrow): Float32Array {
  if (stored.precision === "bfloat16") return fromBfloat16(stored.codes);
  const [rows, columns] = stored.shape;
  return widenRows(stored, 0, rows, new Float32Array(rows * columns));
}

/** How far stored elements are from `data`. Widens some rows at a time. */
export function narrowingError(stored: Narrow, data: Float32Array): NarrowingError {
  let [squares, total, largest] = [0, 0, 0];
  const compare = (widened: Float32Array, start: number): void => {
    for (let i = 0; i < widened.length; i++) {
      const wanted = data[start + i] as number;
      const difference = (widened[i] as number) - wanted;
      squares += difference * difference;
      total += wanted * wanted;
      if (Math.abs(difference) > largest) largest = Math.abs(difference);
    }
  };
  if (stored.precision === "bfloat16") compare(fromBfloat16(stored.codes), 0);
  else {
    const [rows, columns] = stored.shape;
    const step = Math.max(1, Math.floor(2 ** 16 / columns));
    const part = new Float32Array(step * columns);
    for (let row = 0; row < rows; row += step) {
      const count = Math.min(step, rows - row);
      compare(widenRows(stored, row, count, part.subarray(0, count * columns)), row * columns);
    }
  }
  return { relative: total === 0 ? 0 : Math.sqrt(squares / total), largest };
}

/** Rounds to the nearest, halves to the even one, as hardware does. */
function toBfloat16(data: Float32Array): Uint16Array {
  const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
  const codes = new Uint16Array(data.length);
  for (let i = 0; i < codes.length; i++) {
    const word = bits[i] as number;
    const isNaN = (word & 0x7fffffff) > 0x7f800000;
    codes[i] = isNaN ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return codes;
}

function fromBfloat16(codes: Uint16Array): Float32Array {
  const bits = new Uint32Array(codes.length);
  for (let i = 0; i < codes.length; i++) bits[i] = (codes[i] as number) << 16;
  return new Float32Array(bits.buffer);
}

/**
 * The rules of llama.cpp (https://github.com/ggml-org/llama.cpp/blob/master/ggml/src/ggml-quants.c, Q8_0 and Q4_0), so that files in these formats are
 * stored without loss. int8: the largest |element| is 127 scales. int4: the element of the largest magnitude is -8 scales.
 */
function toBlocks(
  data: Float32Array,
  shape: readonly [number, number],
  precision: "int8" | "int4",
): NarrowBlocks {
  const [rows, columns] = shape;
  const blocks = Math.ceil(columns / blockLength);
  const zero = precision === "int8" ? 128 : 8;
  const scales = new Float32Array(rows * blocks);
  const numbers = new Uint8Array(rows * blocks * blockLength).fill(zero);
  for (let block = 0; block < scales.length; block++) {
    const row = Math.floor(block / blocks);
    const first = row * columns + (block - row * blocks) * blockLength;
    const end = Math.min(first + blockLength, (row + 1) * columns);
    const scale = blockScale(data, first, end, precision);
    if (!Number.isFinite(scale)) throw notFinite(row, shape, precision);
    const inverse = Math.fround(1 / scale);
    if (!Number.isFinite(inverse)) continue; // zeros, or too small for a scale
    scales[block] = scale;
    for (let i = first, at = block * blockLength; i < end; i++, at++) {
      const number = Math.fround((data[i] as number) * inverse);
      numbers[at] =
        precision === "int8" ? 128 + roundHalfAway(number) : Math.min(15, Math.trunc(number + 8.5));
    }
  }
  return { precision, shape, scales, codes: precision === "int8" ? numbers : pairUp(numbers) };
}

function blockScale(data: Float32Array, first: number, end: number, precision: "int8" | "int4"): number {
  let extreme = 0;
  for (let i = first; i < end; i++) {
    const value = data[i] as number;
    if (!Number.isFinite(value)) return NaN;
    if (Math.abs(value) > Math.abs(extreme)) extreme = value;
  }
  return Math.fround(precision === "int8" ? Math.abs(extreme) / 127 : extreme / -8);
}

function roundHalfAway(x: number): number {
  return Math.sign(x) * Math.floor(Math.abs(x) + 0.5);
}

function notFinite(row: number, shape: readonly number[], precision: Precision): VlmR1Error {
  return new VlmR1Error(
    "invalid-data",
    `Row ${row} of a matrix [${shape.join(", ")}] holds a number that is not finite, which ${precision} cannot store. Check the checkpoint.`,
  );
}

function pairUp(numbers: Uint8Array): Uint8Array {
  const codes = new Uint8Array(numbers.length / 2);
  for (let i = 0; i < codes.length; i++) {
    codes[i] = (numbers[2 * i] as number) | ((numbers[2 * i + 1] as number) << 4);
  }
  return codes;
}

/** Widens rows from `first` on into `target`, `[rows, K]`. */
function widenRows(stored: NarrowBlocks, first: number, rows: number, target: Float32Array): Float32Array {
  const { precision, codes, scales } = stored;
  const [, columns] = stored.shape;
  const blocks = Math.ceil(columns / blockLength);
  for (let block = first * blocks; block < (first + rows) * blocks; block++) {
    const row = Math.floor(block / blocks);
    const column = (block - row * blocks) * blockLength;
    const scale = scales[block] as number;
    const to = (row - first) * columns + column;
    const from = block * blockLength;
    const length = Math.min(blockLength, columns - column);
    if (precision === "int8") {
      for (let i = 0; i < length; i++) target[to + i] = ((codes[from + i] as number) - 128) * scale;
    } else {
      for (let i = 0; i < length; i++) {
        const number = ((codes[(from + i) >> 1] as number) >> (4 * (i & 1))) & 15;
        target[to + i] = (number - 8) * scale;
      }
    }
  }
  return target;
}
