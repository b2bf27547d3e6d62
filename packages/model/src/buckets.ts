/**
 * A length that a graph is compiled for: at least `length`, in steps of 8 up to 64, 32 up to 256, 64 up to 1024, then 256. Few graphs
 * serve all lengths; padding changes no number.
 */
export function bucketLength(length: number): number {
  const step = length <= 64 ? 8 : length <= 256 ? 32 : length <= 1024 ? 64 : 256;
  return roundUp(length, step);
}

/**
 * The same for the slots of a prompt where it is computed, in finer steps: what they pad is computed for nothing. Every length
 * lies in the bucket of its `bucketLength`, to which generation pads keys and values afterwards.
 */
export function promptLength(length: number): number {
  const step = length <= 128 ? 8 : length <= 512 ? 16 : length <= 1024 ? 32 : 64;
  return roundUp(length, step);
}

function roundUp(length: number, step: number): number {
  return Math.max(step, Math.ceil(length / step) * step);
}

/** A number of prompts that a graph is compiled for: 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, … */
export function bucketCount(count: number): number {
  for (let size = 1; ; size *= 2) {
    if (size >= count) return size;
    if (size >= 2 && size * 1.5 >= count) return size * 1.5;
  }
}
