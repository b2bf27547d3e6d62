/** Bits of one element for every type of the format (https://github.com/huggingface/safetensors, `Dtype`). */
const BITS = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const;

/** Element type of a tensor in a safetensors file. */
export type SafetensorsDtype = keyof typeof BITS;

/** Types in which a checkpoint's weights may be stored and written. */
export type WeightDtype = "F32" | "F16" | "BF16";

/** Whether `name` is a type of the format. */
export function isSafetensorsDtype(name: unknown): name is SafetensorsDtype {
  return typeof name === "string" && Object.hasOwn(BITS, name);
}

/** Bits of one element. */
export function dtypeBits(dtype: SafetensorsDtype): number {
  return BITS[dtype];
}

/** Whether tensors of this type can be read as float32 without surprises. */
export function isWeightDtype(dtype: SafetensorsDtype): dtype is WeightDtype {
  return dtype === "F32" || dtype === "F16" || dtype === "BF16";
}

/** Bytes of one stored weight. */
export function weightBytes(dtype: WeightDtype): number {
  return dtype === "F32" ? 4 : 2;
}

/**
 * Decodes little-endian weights into `target`, which has one element for each weight in `bytes`.
 *
 * Exact for every value: bfloat16 is the upper half of a float32, and every float16 is a float32.
 */
export function decodeWeights(bytes: Uint8Array, dtype: WeightDtype, target: Float32Array): void {
  if (dtype === "F32") {
    new Uint8Array(target.buffer, target.byteOffset, target.byteLength).set(bytes);
    return;
  }
  const bits = new Uint32Array(target.buffer, target.byteOffset, target.length);
  const halves = aligned(bytes)
    ? new Uint16Array(bytes.buffer, bytes.byteOffset, target.length)
    : copyOf(bytes);
  if (dtype === "BF16") {
    for (let i = 0; i < halves.length; i++) bits[i] = halves[i]! << 16;
    return;
  }
  const table = halfTable();
  for (let i = 0; i < halves.length; i++) bits[i] = table[halves[i]!]!;
}

/** Encodes float32 weights, little-endian. BF16 and F16 round to nearest, ties to even; NaN stays NaN. */
export function encodeWeights(values: Float32Array, dtype: WeightDtype): Uint8Array {
  if (dtype === "F32") return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  const encode = dtype === "BF16" ? toBfloat16 : toFloat16;
  for (let i = 0; i < halves.length; i++) halves[i] = encode(bits[i]!);
  return new Uint8Array(halves.buffer);
}

/** Rounds weights in place to the nearest number that `dtype` can store. */
export function roundWeights(values: Float32Array, dtype: WeightDtype): void {
  if (dtype !== "F32") decodeWeights(encodeWeights(values, dtype), dtype, values);
}

function aligned(bytes: Uint8Array): boolean {
  return bytes.byteOffset % 2 === 0;
}

function copyOf(bytes: Uint8Array): Uint16Array {
  return new Uint16Array(bytes.slice().buffer);
}

let cachedTable: Uint32Array | undefined;

/** Bits of the float32 equal to each of the 65536 float16 values; made once. */
function halfTable(): Uint32Array {
  cachedTable ??= Uint32Array.from({ length: 1 << 16 }, (_, half) => float16Bits(half));
  return cachedTable;
}

function float16Bits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return (sign | 0x7f800000 | (fraction << 13)) >>> 0;
  if (exponent > 0) return (sign | ((exponent + 112) << 23) | (fraction << 13)) >>> 0;
  if (fraction === 0) return sign >>> 0;
  const shift = Math.clz32(fraction) - 21; // Subnormal: fraction * 2^-24, normalized for float32.
  return (sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13)) >>> 0;
}

function toBfloat16(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

function toFloat16(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // 65520 and above round to infinity.
  if (magnitude >= 0x38800000) return sign | roundShift(magnitude - 0x38000000, 13);
  const shift = 126 - (magnitude >>> 23); // Subnormal result: units of 2^-24.
  if (shift > 24) return sign;
  return sign | roundShift((magnitude & 0x7fffff) | 0x800000, shift);
}

/** `value >> shift`, rounded to nearest, ties to even. */
function roundShift(value: number, shift: number): number {
  const kept = value >>> shift;
  const rest = value & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept;
}
