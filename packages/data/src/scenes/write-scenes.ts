import { access, type FileHandle, mkdir, open, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Box, boxToXywh, type Dataset, type RgbImage, type Sample, VlmR1Error } from "@vlmr1/core";
import sharp from "sharp";
import { type Picklable, writePickle } from "../pickle/write-pickle.ts";
import type { Scene, SceneObject } from "./layout.ts";
import { objectPolygons, polygonArea } from "./sprites.ts";

/** The part of a target that is written: an expression, its box, and the scene it belongs to. */
export interface WritableTarget {
  readonly expression: string;
  readonly box: Box;
  readonly scene: Scene;
}

export interface WriteScenesOptions {
  /** The folder that shall hold `refcoco/` and `images/`; refer calls it `data_root`. */
  readonly root: string;
  /** The folder and the name that refer opens the data set under. Default `refcoco`. */
  readonly dataset?: "refcoco" | "refcoco+" | "refcocog";
  /** The part of `refs(unc).p`. Default `unc`. */
  readonly splitBy?: "unc" | "google" | "umd";
}

/** What was written, and where. */
export interface WrittenScenes {
  readonly instances: string;
  readonly refs: string;
  readonly imageFolder: string;
  readonly images: number;
  readonly objects: number;
}

/** Where refer looks for the images of all three sets. */
const imagePath = ["images", "mscoco", "images", "train2014"] as const;

/** Pictures encoded at a time. */
const concurrency = 8;

/**
 * Writes drawn scenes as COCO and RefCOCO, in the files and layout that pycocotools and lichengunc/refer read: PNG
 * images, `instances.json` with boxes, areas and polygons of every object, and `refs(unc).p` with one reference a
 * scene.
 *
 * The keys of `splits` become RefCOCO's split names: `{ train, val, testA, testB }`.
 *
 * @throws VlmR1Error `invalid-argument` when the folder already holds a data set or a split is empty, `invalid-data`
 * when a sample has not exactly one image or its target's box is no object of the scene.
 */
export async function writeScenes(
  splits: Readonly<Record<string, Dataset<WritableTarget>>>,
  { root, dataset = "refcoco", splitBy = "unc" }: WriteScenesOptions,
): Promise<WrittenScenes> {
  const folder = join(root, dataset);
  const imageFolder = join(root, ...imagePath);
  const instances = join(folder, "instances.json");
  await refuseExisting(instances);
  await mkdir(folder, { recursive: true });
  await mkdir(imageFolder, { recursive: true });
  const file = await open(`${instances}.part`, "w");
  const state: Written = { images: [], refs: [], categories: new Map(), objects: 0 };
  try {
    await file.write(
      `{"info": ${JSON.stringify(info)},\n"licenses": ${JSON.stringify(licenses)},\n"annotations": [`,
    );
    for (const [split, samples] of Object.entries(splits)) {
      await writeSplit(split, samples, state, { file, imageFolder });
    }
    const categories = [...state.categories].map(([name, id]) => ({ id, name, supercategory: "icon" }));
    await file.write(
      `],\n"images": [\n${state.images.join(",\n")}],\n"categories": ${JSON.stringify(categories)}}\n`,
    );
  } finally {
    await file.close();
  }
  const refs = join(folder, `refs(${splitBy}).p`);
  await writeFile(refs, writePickle(state.refs));
  await rename(`${instances}.part`, instances);
  return { instances, refs, imageFolder, images: state.images.length, objects: state.objects };
}

const info = { description: "Drawn scenes with exact answers", version: "1.0", contributor: "vlm-r1" };
const licenses = [
  { id: 1, name: "MIT (icons: Microsoft Fluent Emoji)", url: "https://github.com/microsoft/fluentui-emoji" },
];

/** What has been written so far; its sizes are the next ids. */
interface Written {
  /** Image records as JSON. */
  readonly images: string[];
  readonly refs: Picklable[];
  /** Category ids by name, from 1 in the order of appearance. */
  readonly categories: Map<string, number>;
  objects: number;
}

interface Destination {
  readonly file: FileHandle;
  readonly imageFolder: string;
}

async function writeSplit(
  split: string,
  samples: Dataset<WritableTarget>,
  state: Written,
  { file, imageFolder }: Destination,
): Promise<void> {
  if (samples.length === 0) {
    throw new VlmR1Error("invalid-argument", `The split "${split}" has no samples. Leave it out or fill it.`);
  }
  for (let first = 0; first < samples.length; first += concurrency) {
    const count = Math.min(concurrency, samples.length - first);
    const batch = await Promise.all(Array.from({ length: count }, (_, i) => samples.get(first + i)));
    const encoding: Promise<void>[] = [];
    for (const sample of batch) {
      const separator = state.objects === 0 ? "\n" : ",\n";
      const { fileName, annotations } = record(split, sample, state);
      encoding.push(encode(onlyImage(sample), join(imageFolder, fileName)));
      await file.write(separator + annotations.join(",\n"));
    }
    await Promise.all(encoding);
  }
}

/**
 * Adds a sample's image and reference to the state; returns its annotations as JSON and the name of its image file.
 */
function record(
  split: string,
  sample: Sample<WritableTarget>,
  state: Written,
): { fileName: string; annotations: string[] } {
  const { scene, box, expression } = sample.target;
  const { width, height } = onlyImage(sample);
  const imageId = state.images.length + 1;
  const name = `COCO_train2014_${String(imageId).padStart(12, "0")}`;
  const fileName = `${name}.png`;
  state.images.push(JSON.stringify({ id: imageId, file_name: fileName, width, height, license: 1 }));
  const annotations = scene.objects.map((object, i) =>
    annotationOf(object, { id: state.objects + 1 + i, imageId, categoryId: categoryIdOf(object, state) }),
  );
  const target = scene.objects.findIndex((object) => object.box.every((value, i) => value === box[i]));
  if (target < 0) {
    throw new VlmR1Error(
      "invalid-data",
      `Sample "${sample.id}": target.box [${box.join(", ")}] is the box of no object in target.scene.`,
    );
  }
  const refId = state.refs.length;
  state.refs.push({
    sent_ids: [refId],
    // As in the published files, a reference's own file name has a suffix; the image's name is in instances.json.
    file_name: `${name}_${refId}.png`,
    ann_id: state.objects + 1 + target,
    ref_id: refId,
    image_id: imageId,
    split,
    category_id: categoryIdOf(scene.objects[target] as SceneObject, state),
    sentences: [{ tokens: expression.split(" "), raw: expression, sent_id: refId, sent: expression }],
  });
  state.objects += scene.objects.length;
  return { fileName, annotations };
}

function annotationOf(
  object: SceneObject,
  { id, imageId, categoryId }: { readonly id: number; readonly imageId: number; readonly categoryId: number },
): string {
  const segmentation = objectPolygons(object);
  return JSON.stringify({
    id,
    image_id: imageId,
    category_id: categoryId,
    bbox: boxToXywh(object.box),
    area: polygonArea(segmentation),
    iscrowd: 0,
    segmentation,
    attributes: { color: object.color },
  });
}

function categoryIdOf({ name }: SceneObject, { categories }: Written): number {
  const id = categories.get(name) ?? categories.size + 1;
  categories.set(name, id);
  return id;
}

function onlyImage({ id, images }: Sample): RgbImage {
  const [image] = images;
  if (image && images.length === 1) return image;
  throw new VlmR1Error(
    "invalid-data",
    `Sample "${id}" has ${images.length} images; RefCOCO has one for each expression.`,
  );
}

async function encode({ width, height, data }: RgbImage, path: string): Promise<void> {
  await sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toFile(path);
}

async function refuseExisting(path: string): Promise<void> {
  const exists = await access(path).then(
    () => true,
    () => false,
  );
  if (!exists) return;
  throw new VlmR1Error(
    "invalid-argument",
    `${path} exists already. Write to another root, or remove the old data set first.`,
  );
}
