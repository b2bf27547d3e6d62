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
