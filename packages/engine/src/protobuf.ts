/** A message under construction: chunks whose total length is known, so that writing is one pass. */
export interface Message {
  readonly length: number;
  readonly parts: readonly (Uint8Array | Message)[];
}

const encoder = new TextEncoder();

function varint(value: number): Uint8Array {
  if (value >= 0 && value < 128) return Uint8Array.of(value);
  if (value >= 0 && value < 16384) return Uint8Array.of((value & 127) | 128, value >> 7);
  const digits: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) digits.push(Number(rest & 127n) | 128);
  digits.push(Number(rest));
  return Uint8Array.from(digits);
}

/** Joins fields to a message. */
export function message(...parts: (Uint8Array | Message)[]): Message {
  let length = 0;
  for (const part of parts) length += part.length;
  return { length, parts };
}

/** A length-delimited field: bytes, text or a message. */
export function bytes(field: number, content: Uint8Array | Message | string): Message {
  const value = typeof content === "string" ? encoder.encode(content) : content;
  return message(varint((field << 3) | 2), varint(value.length), value);
}

/** An integer field. Negative numbers take ten bytes, as the wire format says. */
export function int(field: number, value: number): Message {
  return message(varint(field << 3), varint(value));
}

/** A 32-bit floating-point field. */
export function float(field: number, value: number): Message {
  return message(varint((field << 3) | 5), new Uint8Array(Float32Array.of(value).buffer));
}

/** The bytes of a message. https://protobuf.dev/programming-guides/encoding/ */
export function encode(root: Message): Uint8Array {
  const out = new Uint8Array(root.length);
  let at = 0;
  const put = (part: Uint8Array | Message): void => {
    if (part instanceof Uint8Array) {
      out.set(part, at);
      at += part.length;
    } else part.parts.forEach(put);
  };
  put(root);
  return out;
}
