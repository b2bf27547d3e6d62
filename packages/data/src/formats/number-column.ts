/** A list of numbers that grows by half, in 8 bytes each: annotation ids exceed 32 bits, and boxes must stay exact. */
export interface NumberColumn {
  readonly length: number;
  push(value: number): void;
  at(index: number): number;
}

/** Makes an empty column. */
export function numberColumn(): NumberColumn {
  let values = new Float64Array(1024);
  let length = 0;
  return {
    get length() {
      return length;
    },
    push(value) {
      if (length === values.length) {
        const larger = new Float64Array(Math.ceil(length * 1.5));
        larger.set(values);
        values = larger;
      }
      values[length++] = value;
    },
    at(index) {
      return values[index]!;
    },
  };
}
