import { weightBits } from "./resize-filter.ts";

/**
 * The two passes of a resize, on addresses (bytes) in `memory`. Results may overrun by {@link kernelPadding} bytes.
 */
export interface ResizeKernel {
  readonly memory: KernelMemory;
  /** One row: each output pixel is a weighted sum of neighbours in the row at `source`; `starts` are byte offsets. */
  resampleRow(
    source: number,
    target: number,
    targetEnd: number,
    starts: number,
    counts: number,
    weights: number,
    rowOfWeights: number,
  ): void;
  /** One row: each output byte is a weighted sum of `count` bytes that lie `stride` apart, from `source` on. */
  resampleColumns(
    source: number,
    stride: number,
    weights: number,
    weightsEnd: number,
    target: number,
    targetEnd: number,
  ): void;
}

/** Both kernels work on whole vectors, and so read and write up to one vector past the end. */
export const kernelPadding = 16;

/** The part of the WebAssembly interface that is used here; neither the language's nor Node's types declare it. */
interface WebAssemblyInterface {
  readonly Memory: new (limits: { readonly initial: number }) => KernelMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
}

/** Memory of a WebAssembly instance; `buffer` is replaced when it grows. */
export interface KernelMemory {
  readonly buffer: ArrayBuffer;
  /** Adds pages of 64 KiB. */
  grow(pages: number): number;
}

/**
 * Assembles the inner loops as a WebAssembly module of about 400 bytes: sixteen bytes of a row, or three channels of
 * a pixel, at once. JavaScript alone reaches 0.4 of Pillow's speed, because every array access is checked.
 */
export function createResizeKernel(): ResizeKernel {
  const { Memory, Module, Instance } = (globalThis as unknown as { WebAssembly: WebAssemblyInterface })
    .WebAssembly;
  const memory = new Memory({ initial: 1 });
  const instance = new Instance(new Module(moduleBytes()), { js: { memory } });
  return { memory, ...(instance.exports as Omit<ResizeKernel, "memory">) };
}

/** Machine code, nested for reading. */
type Code = readonly (number | Code)[];

const i32 = 0x7f;
const v128 = 0x7b;

// Instructions, by the names of the WebAssembly specification
// (https://webassembly.github.io/spec/core/binary/instructions.html).
const get = (local: number): Code => [0x20, local];
const set = (local: number): Code => [0x21, local];
const tee = (local: number): Code => [0x22, local];
const constant = (value: number): Code => [0x41, signedLeb(value)];
const add = 0x6a;
const lessThan = 0x49; // i32.lt_u
const loadInt = [0x28, 2, 0]; // i32.load
const simd = (opcode: number, ...immediates: number[]): Code => [0xfd, leb(opcode), immediates];
const loadVector = simd(0, 0, 0); // v128.load
const storeVector = simd(11, 0, 0); // v128.store
const loadWeight = simd(9, 2, 0); // v128.load32_splat
const loadPixel = simd(92, 0, 0); // v128.load32_zero
const storePixel = simd(90, 0, 0, 0); // v128.store32_lane 0
const splat = simd(17); // i32x4.splat
const lowHalves = simd(137); // i16x8.extend_low_i8x16_u
const highHalves = simd(138); // i16x8.extend_high_i8x16_u
const lowWords = simd(169); // i32x4.extend_low_i16x8_u
const highWords = simd(170); // i32x4.extend_high_i16x8_u
const shiftRight = simd(172); // i32x4.shr_s
const addWords = simd(174); // i32x4.add
const multiplyWords = simd(181); // i32x4.mul
const narrowWords = simd(133); // i16x8.narrow_i32x4_s
const narrowHalves = simd(102); // i8x16.narrow_i16x8_u: saturates to 0..255, which is Pillow's clip8

const half: Code = [constant(1 << (weightBits - 1)), splat]; // rounds the sum
const whole = (local: number): Code => [get(local), constant(weightBits), shiftRight];
const advance = (local: number, step: Code): Code => [get(local), step, add, set(local)];
/** `do body while (local < end)` */
const repeatWhile = (local: number, end: number, body: Code): Code => [
  [0x03, 0x40], // loop
  body,
  [get(local), get(end), lessThan, 0x0d, 0], // br_if 0
  0x0b,
];

function resampleRowCode(): Code {
  const [source, target, targetEnd, starts, counts, weights, rowOfWeights] = [0, 1, 2, 3, 4, 5, 6] as const;
  const [pixel, weight, weightEnd, sum] = [7, 8, 9, 10] as const;
  const accumulate: Code = [
    [get(pixel), loadPixel, lowHalves, lowWords],
    [get(weight), loadWeight, multiplyWords, get(sum), addWords, set(sum)],
    advance(pixel, constant(3)),
    advance(weight, constant(4)),
  ];
  return [
    repeatWhile(target, targetEnd, [
      [half, set(sum)],
      [get(source), get(starts), loadInt, add, set(pixel)],
      [get(weights), tee(weight), get(counts), loadInt, constant(2), 0x74, add, set(weightEnd)], // i32.shl
      repeatWhile(weight, weightEnd, accumulate),
      [get(target), whole(sum), get(sum), narrowWords, get(sum), narrowHalves, storePixel],
      advance(target, constant(3)),
      advance(starts, constant(4)),
      advance(counts, constant(4)),
      advance(weights, get(rowOfWeights)),
    ]),
  ];
}

function resampleColumnsCode(): Code {
  const [source, stride, weights, weightsEnd, target, targetEnd] = [0, 1, 2, 3, 4, 5] as const;
  const [row, weight, bytes, factor, first] = [6, 7, 8, 9, 10] as const;
  const sums = [first, first + 1, first + 2, first + 3];
  const widen = [
    [lowHalves, lowWords],
    [lowHalves, highWords],
    [highHalves, lowWords],
    [highHalves, highWords],
  ];
  const accumulate: Code = [
    [get(row), loadVector, set(bytes)],
    [get(weight), loadWeight, set(factor)],
    ...sums.map((sum, i) => [
      [get(bytes), widen[i] as Code],
      [get(factor), multiplyWords, get(sum), addWords, set(sum)],
    ]),
    advance(row, get(stride)),
    advance(weight, constant(4)),
  ];
  const [a, b, c, d] = sums as [number, number, number, number];
  return [
    repeatWhile(target, targetEnd, [
      sums.map((sum) => [half, set(sum)]),
      [get(source), set(row), get(weights), set(weight)],
      repeatWhile(weight, weightsEnd, accumulate),
      get(target),
      [whole(a), whole(b), narrowWords, whole(c), whole(d), narrowWords, narrowHalves],
      storeVector,
      advance(source, constant(16)),
      advance(target, constant(16)),
    ]),
  ];
}

function moduleBytes(): Uint8Array {
  const text = (value: string): Code => [value.length, Array.from(value, (letter) => letter.charCodeAt(0))];
  const functionType = (parameters: number): Code => [
    0x60,
    parameters,
    Array<number>(parameters).fill(i32),
    0,
  ];
  const body = (ints: number, vectors: number, code: Code): Code =>
    sized([2, ints, i32, vectors, v128, code, 0x0b]);
  return Uint8Array.from(
    flatten([
      [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0], // "\0asm", version 1
      [1, sized([2, functionType(7), functionType(6)])],
      [2, sized([1, text("js"), text("memory"), 0x02, 0x00, 1])],
      [3, sized([2, 0, 1])],
      [7, sized([2, text("resampleRow"), 0, 0, text("resampleColumns"), 0, 1])],
      [10, sized([2, body(3, 1, resampleRowCode()), body(2, 6, resampleColumnsCode())])],
    ]),
  );
}

function sized(code: Code): Code {
  const bytes = flatten(code);
  return [leb(bytes.length), bytes];
}

function flatten(code: Code): number[] {
  return code.flatMap((part) => (typeof part === "number" ? [part] : flatten(part)));
}

/** Unsigned LEB128. */
function leb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)];
}

/** Signed LEB128. */
function signedLeb(value: number): number[] {
  const low = value & 0x7f;
  const rest = value >> 7;
  const done = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
  return done ? [low] : [low | 0x80, ...signedLeb(rest)];
}
