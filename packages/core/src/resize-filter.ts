/** The resampling filters of Pillow's `Image.resize`. */
export type ResizeFilter = "bicubic" | "bilinear" | "lanczos" | "box" | "hamming";

interface Kernel {
  /** Half the width of the kernel, in output pixels when shrinking and in input pixels when enlarging. */
  readonly support: number;
  /** The weight at a distance from the middle. */
  readonly weight: (x: number) => number;
}

const cubic = -0.5; // Pillow's choice of Keys' parameter; OpenCV and libvips differ.

const kernels: Readonly<Record<ResizeFilter, Kernel>> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: { support: 1, weight: (x) => (Math.abs(x) < 1 ? hammingWindow(x) * sinc(x) : 0) },
  bicubic: { support: 2, weight: (x) => bicubicWeight(Math.abs(x)) },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** The filters' names. */
export const resizeFilters = Object.keys(kernels) as readonly ResizeFilter[];

/** Weights are fixed-point numbers with this many bits after the point: Pillow's `PRECISION_BITS`. */
export const weightBits = 22;

/** For each output position of one axis: where its input begins, how many inputs it takes, and their weights. */
export interface ResampleTable {
  /** First input position. [size] */
  readonly starts: Int32Array;
  /** Inputs taken. [size] */
  readonly counts: Int32Array;
  /** Fixed-point weights; a row holds `counts[i]` of them and then zeros. [size, taps] */
  readonly weights: Int32Array;
  readonly taps: number;
}

/**
 * The weights that resample the part `from`..`to` of an axis of `inputSize` pixels to `size` pixels.
 *
 * The order of operations is that of `precompute_coeffs` and `normalize_coeffs_8bpc` in Pillow's Resample.c, because
 * the last bit of a weight decides the last bit of a pixel.
 */
export function resampleTable(
  inputSize: number,
  [from, to]: readonly [from: number, to: number],
  size: number,
  filter: ResizeFilter,
): ResampleTable {
  const kernel = kernels[filter];
  const scale = Math.fround(to - from) / size;
  const stretch = Math.max(scale, 1);
  const support = kernel.support * stretch;
  const taps = Math.ceil(support) * 2 + 1;
  const starts = new Int32Array(size);
  const counts = new Int32Array(size);
  const weights = new Int32Array(size * taps);
  const raw = new Float64Array(taps);
  for (let i = 0; i < size; i++) {
    const center = from + (i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - support + 0.5));
    const count = Math.min(inputSize, Math.trunc(center + support + 0.5)) - start;
    let sum = 0;
    for (let x = 0; x < count; x++) {
      const weight = kernel.weight((x + start - center + 0.5) * (1 / stretch));
      raw[x] = weight;
      sum += weight;
    }
    for (let x = 0; x < count; x++) {
      const weight = raw[x] as number;
      weights[i * taps + x] = toFixedPoint(sum === 0 ? weight : weight / sum);
    }
    starts[i] = start;
    counts[i] = count;
  }
  return { starts, counts, weights, taps };
}

function toFixedPoint(weight: number): number {
  return Math.trunc((weight < 0 ? -0.5 : 0.5) + weight * (1 << weightBits));
}

function bicubicWeight(x: number): number {
  if (x < 1) return ((cubic + 2) * x - (cubic + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * cubic : 0;
}

function sinc(x: number): number {
  if (x === 0) return 1;
  const angle = x * Math.PI;
  return Math.sin(angle) / angle;
}

/** With single-precision constants, as in Pillow. */
function hammingWindow(x: number): number {
  return Math.fround(0.54) + Math.fround(0.46) * Math.cos(Math.abs(x) * Math.PI);
}
