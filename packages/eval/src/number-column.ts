/** A column of numbers of unknown length: it grows by doubling and ends as a typed array. */
export interface NumberColumn {
  push(value: number): void;
  finish(): Float64Array;
}

/** An empty column. */
export function numberColumn(): NumberColumn {
  let values = new Float64Array(1024);
  let length = 0;
  return {
    push(value) {
      if (length === values.length) {
        const grown = new Float64Array(2 * length);
        grown.set(values);
        values = grown;
      }
      values[length++] = value;
    },
    finish: () => values.slice(0, length),
  };
}
