import { createRng, type Rng } from "@vlmr1/core";
import { open } from "node:fs/promises";
import { join } from "node:path";

/** COCO's 80 category ids, with their gaps. */
const categoryIds = Array.from({ length: 90 }, (_, i) => i + 1).filter(
  (id) => ![12, 26, 29, 30, 45, 66, 68, 69, 71, 83].includes(id),
);

/** Extents of a synthetic set. */
export interface CocoFileSize {
  readonly images: number;
  readonly annotations: number;
  readonly detectionsPerImage: number;
}

/**
 * Writes `gt.json` and `dt.json` of COCO's size: every true object gets one to three noisy detections, the rest are
 * false alarms.
 *
 * A stand-in for the peer's own generator (`eval-coco.py --generate`), for machines without Python: of the same shape
 * and size, not the same bytes.
 */
export async function writeCocoFiles(folder: string, size: CocoFileSize, seed = 0): Promise<void> {
  const rng = createRng(seed);
  const [truthFile, resultFile] = await Promise.all(
    ["gt.json", "dt.json"].map((name) => open(join(folder, name), "w")),
  );
  const images = Array.from({ length: size.images }, (_, i) => ({ id: i + 1, width: 640, height: 480 }));
  const categories = categoryIds.map((id) => ({ id, name: `c${id}` }));
  await truthFile?.write(
    `{"images":${JSON.stringify(images)},"categories":${JSON.stringify(categories)},"annotations":[`,
  );
  await resultFile?.write("[");
  let annotationId = 0;
  for (let image = 1; image <= size.images; image++) {
    const count = Math.round((size.annotations * image) / size.images) - annotationId;
    const objects = Array.from({ length: count }, () => ({
      bbox: randomBox(rng),
      category_id: randomCategory(rng),
    }));
    const annotations = objects.map(({ bbox, category_id }) => ({
      id: ++annotationId,
      image_id: image,
      category_id,
      bbox,
      area: rounded((bbox[2] as number) * (bbox[3] as number), 2),
      iscrowd: rng.uniform() < 0.01 ? 1 : 0,
    }));
    const detections = Array.from({ length: size.detectionsPerImage }, (_, i) => {
      const object = objects[Math.floor(i / 2)];
      const found = object && rng.uniform() < 0.9;
      return {
        image_id: image,
        category_id: found ? object.category_id : randomCategory(rng),
        bbox: found ? jittered(object.bbox, rng) : randomBox(rng),
        score: rounded(found ? Math.sqrt(rng.uniform()) : rng.uniform() ** 4, 5),
      };
    });
    const comma = image === 1 ? "" : ",";
    if (annotations.length > 0)
      await truthFile?.write((annotationId > count ? "," : "") + inner(annotations));
    if (detections.length > 0) await resultFile?.write(comma + inner(detections));
  }
  await truthFile?.write("]}");
  await resultFile?.write("]");
  await Promise.all([truthFile?.close(), resultFile?.close()]);
}

function inner(records: readonly unknown[]): string {
  return JSON.stringify(records).slice(1, -1);
}

function randomCategory(rng: Rng): number {
  return categoryIds[Math.floor(rng.uniform() ** 1.7 * categoryIds.length)] as number;
}

/** A box of 8 to 300 pixels, sizes even on a logarithmic scale, inside 640 x 480. */
function randomBox(rng: Rng): number[] {
  const side = 8 * (300 / 8) ** rng.uniform();
  const stretch = Math.exp(0.4 * rng.normal());
  const [width, height] = [Math.min(side * stretch, 600), Math.min(side / stretch, 450)];
  return [rng.uniform() * (640 - width), rng.uniform() * (480 - height), width, height].map((value) =>
    rounded(value, 2),
  );
}

function jittered(box: readonly number[], rng: Rng): number[] {
  const [x, y, width, height] = box as readonly [number, number, number, number];
  const shift = (value: number, extent: number): number => rounded(value + 0.12 * rng.normal() * extent, 2);
  return [
    shift(x, width),
    shift(y, height),
    Math.max(1, shift(width, width)),
    Math.max(1, shift(height, height)),
  ];
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
