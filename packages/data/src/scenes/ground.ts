import type { ImageSize, Rng } from "@vlmr1/core";

/**
 * What objects lie on.
 *
 * - `plain`: one colour.
 * - `gradient`: two colours along a random direction.
 * - `smooth`: a gradient under soft clouds.
 * - `noisy`: the same under noise of single pixels.
 * - `striped`: noisy under stripes, a ground that training does not show.
 */
export type Ground = "plain" | "gradient" | "smooth" | "noisy" | "striped";

/** Knots of the cloud pattern along x and y. */
const knotColumns = 9;
const knotRows = 7;
const cloudContrast = 110;
const noiseContrast = 28;

/** Paints a ground. [height, width, 3] */
export function paintGround({ width, height }: ImageSize, ground: Ground, rng: Rng): Uint8ClampedArray {
  const pixels = new Uint8ClampedArray(width * height * 3);
  const from = randomColor(rng);
  const to = ground === "plain" ? from : randomColor(rng);
  const direction = rng.uniform() * Math.PI * 2;
  const [dx, dy] = [Math.cos(direction) / width, Math.sin(direction) / height];
  const clouds = ground === "plain" || ground === "gradient" ? undefined : randomClouds(rng);
  const grain = ground === "noisy" || ground === "striped";
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i += 3) {
      const mix = Math.min(1, Math.max(0, 0.5 + (x - width / 2) * dx + (y - height / 2) * dy));
      let light = clouds ? cloudAt(clouds, x / width, y / height) * cloudContrast : 0;
      if (grain) light += (rng.uniform() - 0.5) * noiseContrast;
      for (let c = 0; c < 3; c++) {
        pixels[i + c] = (from[c] as number) * (1 - mix) + (to[c] as number) * mix + light;
      }
    }
  }
  if (ground === "striped") paintStripes(pixels, width, rng);
  return pixels;
}

function randomColor(rng: Rng): readonly number[] {
  return [30 + rng.integer(200), 30 + rng.integer(200), 30 + rng.integer(200)];
}

/** Values of -0.5..0.5 at the knots of a grid. [knotRows, knotColumns] */
function randomClouds(rng: Rng): Float64Array {
  return Float64Array.from({ length: knotColumns * knotRows }, () => rng.uniform() - 0.5);
}

/** Bilinear value noise at (u, v), each in 0..1. */
function cloudAt(clouds: Float64Array, u: number, v: number): number {
  const x = u * (knotColumns - 1);
  const y = v * (knotRows - 1);
  const column = Math.min(knotColumns - 2, Math.trunc(x));
  const row = Math.min(knotRows - 2, Math.trunc(y));
  const i = row * knotColumns + column;
  const [fx, fy] = [x - column, y - row];
  const upper = (clouds[i] as number) * (1 - fx) + (clouds[i + 1] as number) * fx;
  const lower = (clouds[i + knotColumns] as number) * (1 - fx) + (clouds[i + knotColumns + 1] as number) * fx;
  return upper * (1 - fy) + lower * fy;
}

function paintStripes(pixels: Uint8ClampedArray, width: number, rng: Rng): void {
  const scale = width / 64;
  const thickness = Math.max(1, Math.round((3 + rng.integer(5)) * scale));
  const horizontal = rng.uniform() < 0.5;
  const contrast = 35 + rng.integer(30);
  for (let i = 0; i < pixels.length; i++) {
    const pixel = Math.trunc(i / 3);
    const position = horizontal ? Math.trunc(pixel / width) : pixel % width;
    const light = Math.trunc(position / thickness) % 2 === 1 ? contrast : -contrast;
    pixels[i] = (pixels[i] as number) + light;
  }
}
