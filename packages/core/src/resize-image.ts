import type { Box } from "./box.ts";
import { VlmR1Error } from "./error.ts";
import type { ImageSize } from "./frame.ts";
import type { RgbImage } from "./image.ts";
import { resampleTable, resizeFilters, type ResampleTable, type ResizeFilter } from "./resize-filter.ts";
import { createResizeKernel, kernelPadding, type KernelMemory, type ResizeKernel } from "./resize-kernel.ts";

export interface ResizeTarget extends ImageSize {
  /** The part of the image to resize, in its own pixels; fractions are allowed. Default: all of it. */
  readonly box?: Box;
}

/**
 * Resizes an image to exactly the bytes of Pillow 13's `image.resize((width, height), filter, box)`: two passes with
 * 22-bit fixed-point weights, each rounded to 8 bits (Pillow, src/libImaging/Resample.c). Shrinking is antialiased.
 *
 * Vision towers are sensitive to this: OpenCV's, libvips' and PyTorch's filters of the same name give other pixels.
 *
 * @throws VlmR1Error `invalid-argument` when sizes are no positive integers, the data do not fit the size, the box
 * leaves the image or the filter is unknown.
 */
export function resizeImage(image: RgbImage, target: ResizeTarget, filter: ResizeFilter): RgbImage {
  const { width, height, box = [0, 0, image.width, image.height] as Box } = target;
  checkResize(image, target, box, filter);
  const [x1, y1, x2, y2] = box.map(Math.fround) as [number, number, number, number];
  const horizontal = width !== image.width || x1 !== 0 || x2 !== width;
  const vertical = height !== image.height || y1 !== 0 || y2 !== height;
  if (!horizontal && !vertical) return { width, height, data: image.data.slice() };
  // The box filter at scale 1 is the identity: it stands in for a pass that Pillow leaves out.
  const columns = resampleTable(image.width, [x1, x2], width, horizontal ? filter : "box");
  const rows = resampleTable(image.height, [y1, y2], height, vertical ? filter : "box");
  const data = new Uint8Array(width * height * 3);
  for (let first = 0; first < height;) {
    const end = bandEnd(rows, first, Math.max(width, image.width));
    resizeBand(image, { width, height, data }, columns, rows, [first, end]);
    first = end;
  }
  return { width, height, data };
}

/**
 * Large images are resized in bands of rows, so that the kernel's memory, which never shrinks, stays near this size.
 */
const bandBytes = 2 ** 24;

/**
 * The last output row (exclusive) of the band that begins at `first`: its pixels fit {@link bandBytes}, or it is one
 * row.
 */
function bandEnd({ starts, counts }: ResampleTable, first: number, width: number): number {
  const bytes = (end: number): number => {
    const inputRows = (starts[end - 1] as number) + (counts[end - 1] as number) - (starts[first] as number);
    return 6 * width * (inputRows + end - first);
  };
  let end = first + 1;
  while (end < starts.length && bytes(end + 1) <= bandBytes) end++;
  return end;
}

let sharedKernel: ResizeKernel | undefined; // assembled on first use; holds no result between calls

/** Where the passes of one band find their bytes in the kernel's memory. */
interface Band {
  readonly kernel: ResizeKernel;
  readonly columns: ResampleTable;
  readonly rows: ResampleTable;
  /** Addresses of the columns' table and of the rows' weights. */
  readonly at: Readonly<Record<"starts" | "counts" | "columnWeights" | "rowWeights", number>>;
  /** First output row and the first input row that it needs. */
  readonly firstOutput: number;
  readonly firstInput: number;
}

function resizeBand(
  image: RgbImage,
  result: RgbImage,
  columns: ResampleTable,
  rows: ResampleTable,
  [first, end]: readonly [first: number, end: number],
): void {
  const firstInput = rows.starts[first] as number;
  const inputRows = (rows.starts[end - 1] as number) + (rows.counts[end - 1] as number) - firstInput;
  const stride = image.width * 3;
  const newStride = result.width * 3;
  const verticalFirst = isVerticalFirst(image, result);
  const kernel = (sharedKernel ??= createResizeKernel());
  const at = allocate(kernel.memory, {
    input: inputRows * stride,
    between: verticalFirst ? (end - first) * stride : inputRows * newStride,
    output: (end - first) * newStride,
    starts: columns.starts.byteLength,
    counts: columns.counts.byteLength,
    columnWeights: columns.weights.byteLength,
    rowWeights: rows.weights.byteLength,
  });
  const bytes = new Uint8Array(kernel.memory.buffer);
  const ints = new Int32Array(kernel.memory.buffer);
  bytes.set(image.data.subarray(firstInput * stride, (firstInput + inputRows) * stride), at.input);
  ints.set(
    columns.starts.map((start) => start * 3),
    at.starts / 4,
  );
  ints.set(columns.counts, at.counts / 4);
  ints.set(columns.weights, at.columnWeights / 4);
  ints.set(rows.weights, at.rowWeights / 4);
  const band: Band = { kernel, columns, rows, at, firstOutput: first, firstInput };
  if (verticalFirst) {
    passVertically(band, at.input, at.between, stride, end - first);
    passHorizontally(band, [at.between, stride], [at.output, newStride], end - first);
  } else {
    passHorizontally(band, [at.input, stride], [at.between, newStride], inputRows);
    passVertically(band, at.between, at.output, newStride, end - first);
  }
  result.data.set(bytes.subarray(at.output, at.output + (end - first) * newStride), first * newStride);
}

/**
 * Pillow 13 begins with the rows when the height shrinks by more than twice what the width does; it rounds between
 * the passes.
 */
function isVerticalFirst(image: ImageSize, result: ImageSize): boolean {
  const shrinkage = image.height - result.height;
  return shrinkage > 0 && shrinkage > 2 * (image.width - result.width);
}

type Region = readonly [address: number, stride: number];

function passHorizontally(band: Band, [from, stride]: Region, [to, newStride]: Region, count: number): void {
  const { starts, counts, columnWeights } = band.at;
  for (let y = 0; y < count; y++) {
    const target = to + y * newStride;
    band.kernel.resampleRow(
      from + y * stride,
      target,
      target + newStride,
      starts,
      counts,
      columnWeights,
      band.columns.taps * 4,
    );
  }
}

function passVertically(
  { kernel, rows, at, ...band }: Band,
  from: number,
  to: number,
  stride: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) {
    const y = band.firstOutput + i;
    const source = from + ((rows.starts[y] as number) - band.firstInput) * stride;
    const weights = at.rowWeights + y * rows.taps * 4;
    const weightsEnd = weights + (rows.counts[y] as number) * 4;
    const target = to + i * stride;
    kernel.resampleColumns(source, stride, weights, weightsEnd, target, target + stride);
  }
}

/**
 * Lays regions of the given sizes (bytes) out one after the other, 16-byte aligned and padded; grows the memory to
 * hold them.
 */
function allocate<Name extends string>(
  memory: KernelMemory,
  sizes: Readonly<Record<Name, number>>,
): Record<Name, number> {
  let end = 0;
  const layout = {} as Record<Name, number>;
  for (const name of Object.keys(sizes) as Name[]) {
    layout[name] = end;
    end += Math.ceil((sizes[name] + kernelPadding) / 16) * 16;
  }
  const missing = end - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / 65_536));
  return layout;
}

function checkResize(image: RgbImage, target: ResizeTarget, box: Box, filter: ResizeFilter): void {
  for (const [owner, size] of [
    ["image", image],
    ["result", target],
  ] as const) {
    const valid = [size.width, size.height].every((length) => Number.isInteger(length) && length > 0);
    if (!valid)
      refuse(`the ${owner}'s width and height must be positive integers, got ${size.width}x${size.height}`);
  }
  const expected = image.width * image.height * 3;
  if (image.data.length !== expected) {
    refuse(
      `an image of ${image.width}x${image.height} has ${expected} bytes of RGB data, got ${image.data.length}`,
    );
  }
  const [x1, y1, x2, y2] = box;
  if (!(0 <= x1 && x1 < x2 && x2 <= image.width && 0 <= y1 && y1 < y2 && y2 <= image.height)) {
    refuse(`the box [${box.join(", ")}] must lie inside the image of ${image.width}x${image.height}`);
  }
  if (!resizeFilters.includes(filter))
    refuse(`the filter must be one of ${resizeFilters.join(", ")}, got ${filter}`);
}

function refuse(what: string): never {
  throw new VlmR1Error("invalid-argument", `Cannot resize: ${what}.`);
}
