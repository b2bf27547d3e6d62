import { createRng, resizeImage, type ResizeFilter, type RgbImage } from "@vlmr1/core";
import { drawScenes, loadImage, writeScenes } from "@vlmr1/data";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runPythonPeer } from "./python-peer.ts";
import { lessIsBetter, median, type Benchmark, type BenchRow } from "./row.ts";

/**
 * From and to [width, height]: a photograph for a vision tower, a COCO image, a thumbnail enlarged, a 12-megapixel
 * photograph.
 */
const resizes: readonly (readonly [
  from: readonly [number, number],
  to: readonly [number, number],
  filter: ResizeFilter,
])[] = [
  [[1600, 1200], [448, 336], "bicubic"],
  [[640, 480], [644, 476], "bicubic"],
  [[64, 64], [224, 224], "bicubic"],
  [[1600, 1200], [448, 336], "bilinear"],
  [[1600, 1200], [448, 336], "lanczos"],
  [[4000, 3000], [1036, 784], "bicubic"],
];

const runs = 15;
const script = "images.py";

/** Resizing and decoding on one thread, byte for byte the same work, against Pillow (C). */
export const images: Benchmark = {
  name: "images",
  about: "resizing and decoding of images on one thread",
  async run(say) {
    const folder = await mkdtemp(join(tmpdir(), "vlmr1-images-"));
    try {
      const picture = await writePicture(folder);
      say(`  Pillow, ${runs} runs of each size`);
      const peer = await runPythonPeer(script, ["--picture", picture, "--runs", String(runs)]);
      say(`  ours, ${runs} runs of each size`);
      const rows = resizes.map(([from, to, filter]) => {
        const name = `resize ${from.join("x")} to ${to.join("x")}, ${filter}`;
        return row(
          name,
          milliseconds(() => resizeImage(pattern(...from), size(to), filter)),
          peer,
        );
      });
      const bytes = await readFile(picture);
      const decoding: number[] = [];
      for (let i = 0; i < runs; i++) {
        const start = performance.now();
        await loadImage(bytes);
        decoding.push(performance.now() - start);
      }
      return [...rows, row("decode a PNG of 640x480", median(decoding), peer)];
    } finally {
      await rm(folder, { recursive: true });
    }
  },
};

function row(name: string, ours: number, peer: Readonly<Record<string, number>> | undefined): BenchRow {
  const figure = peer?.[name];
  const note = "Pillow 13";
  return lessIsBetter({ name, ours, unit: "ms", note, ...(figure === undefined ? {} : { peer: figure }) });
}

function milliseconds(work: () => unknown): number {
  const times = Array.from({ length: runs }, () => {
    const start = performance.now();
    work();
    return performance.now() - start;
  });
  return median(times.slice(3)); // the first ones warm the compiler up
}

const patterns = new Map<string, RgbImage>();

/** The same bytes as the peer's. */
function pattern(width: number, height: number): RgbImage {
  const name = `${width}x${height}`;
  const known = patterns.get(name);
  if (known) return known;
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) data[i] = Math.imul(i, 2654435761) >>> 13;
  const image = { width, height, data };
  patterns.set(name, image);
  return image;
}

function size([width, height]: readonly [number, number]): { width: number; height: number } {
  return { width, height };
}

async function writePicture(root: string): Promise<string> {
  const dataset = drawScenes({
    rng: createRng(1),
    length: 1,
    size: { width: 640, height: 480 },
    ground: "noisy",
  });
  const { imageFolder } = await writeScenes({ train: dataset }, { root });
  return join(imageFolder, "COCO_train2014_000000000001.png");
}
