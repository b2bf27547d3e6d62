import { createWriteStream, type WriteStream } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { join } from "node:path";
import { createRng, type Rng } from "@vlmr1/core";
import { writePickle, type Picklable } from "@vlmr1/data";

/** How large the synthetic files are. */
export interface LoaderFileSizes {
  readonly images: number;
  readonly annotations: number;
  /** Referring expressions, in refs of two or three; 0 for none. */
  readonly expressions: number;
}

/** COCO train2014: 82,783 images and 604,907 annotations are a file of about 330 MB. */
export const cocoTrain2014: LoaderFileSizes = { images: 82_783, annotations: 604_907, expressions: 0 };

/** RefCOCO, unc split. */
export const refCocoUnc: LoaderFileSizes = { images: 19_994, annotations: 196_771, expressions: 142_210 };

/** Writes `refcoco/instances.json`, and `refs(unc).p` when there are expressions, in COCO's spacing, with polygons of COCO's length. */
export async function writeLoaderFiles(folder: string, sizes: LoaderFileSizes): Promise<void> {
  const rng = createRng(1);
  await mkdir(join(folder, "refcoco"), { recursive: true });
  await mkdir(join(folder, "images"), { recursive: true });
  const file = createWriteStream(join(folder, "refcoco/instances.json"));
  await write(file, '{"info": {"description": "COCO 2014 Dataset"}, "licenses": [], "images": [');
  for (let index = 0; index < sizes.images; index++) {
    const name = `COCO_train2014_${String(index * 7).padStart(12, "0")}.jpg`;
    const urls = `"coco_url": "http://images.cocodataset.org/train2014/${name}", "flickr_url": "http://farm4.staticflickr.com/3153/2970773875_164f0c0b83_z.jpg"`;
    const record = `{"license": 5, "file_name": "${name}", ${urls}, "height": 480, "width": 640, "date_captured": "2013-11-14 16:28:13", "id": ${index * 7}}`;
    await write(file, index === 0 ? record : `, ${record}`);
  }
  await write(file, '], "annotations": [');
  for (let index = 0; index < sizes.annotations; index++) {
    await write(file, `${index === 0 ? "" : ", "}${annotation(index, (index % sizes.images) * 7, rng)}`);
  }
  const categories = Array.from({ length: 80 }, (_, id) => ({
    supercategory: "thing",
    id: id + 1,
    name: `thing ${id + 1}`,
  }));
  await write(file, `], "categories": ${JSON.stringify(categories)}}`);
  file.end();
  await once(file, "close");
  if (sizes.expressions > 0)
    await writeFile(join(folder, "refcoco/refs(unc).p"), writePickle(refs(sizes, rng)));
}

async function write(file: WriteStream, text: string): Promise<void> {
  if (!file.write(text)) await once(file, "drain");
}

function annotation(index: number, imageId: number, rng: Rng): string {
  const between = (low: number, high: number): string => (low + (high - low) * rng.uniform()).toFixed(2);
  const points = 4 + Math.floor(-22 * Math.log(1 - rng.uniform()));
  const polygon = Array.from({ length: 2 * points }, () => between(0, 480)).join(", ");
  const box = [between(0, 500), between(0, 350), between(5, 130), between(5, 120)].join(", ");
  return (
    `{"segmentation": [[${polygon}]], "area": ${between(100, 9000)}, "iscrowd": 0, "image_id": ${imageId}, ` +
    `"bbox": [${box}], "category_id": ${1 + rng.integer(80)}, "id": ${1000 + index}}`
  );
}

const words =
  "the man lady in red shirt left right second from front guy holding bat blue chair person woman dog".split(
    " ",
  );

function refs({ images, annotations, expressions }: LoaderFileSizes, rng: Rng): Picklable[] {
  const list: Picklable[] = [];
  for (let sentence = 0; sentence < expressions;) {
    const refId = list.length;
    const row = (refId * 3) % annotations;
    const count = Math.min(refId % 5 === 4 ? 2 : 3, expressions - sentence);
    const sentences = Array.from({ length: count }, (_, offset) => {
      const tokens = Array.from(
        { length: 1 + rng.integer(6) },
        () => words[rng.integer(words.length)] as string,
      );
      return {
        tokens,
        raw: tokens.join(" ").toUpperCase(),
        sent_id: sentence + offset,
        sent: tokens.join(" "),
      };
    });
    list.push({
      sent_ids: sentences.map(({ sent_id }) => sent_id),
      file_name: `COCO_train2014_${String((row % images) * 7).padStart(12, "0")}_${refId % 7}.jpg`,
      ann_id: 1000 + row,
      ref_id: refId,
      image_id: (row % images) * 7,
      split: ["train", "train", "train", "train", "train", "train", "train", "val", "testA", "testB"][
        refId % 10
      ] as string,
      sentences,
      category_id: 1 + (refId % 80),
    });
    sentence += count;
  }
  return list;
}
