import { join } from "node:path";
import { createRng, type Dataset } from "@vlmr1/core";
import {
  answerAsBox,
  answerAsObjects,
  cocoDetection,
  conversations,
  huggingFace,
  openVocabulary,
  ovdEval,
  r1v,
  reasonSeg,
  refCoco,
  refCocoTable,
  vlmR1Evaluation,
  vlmR1Jsonl,
  vlmR1Yaml,
  type LoaderOptions,
  type LoadedDataset,
} from "../../src/index.ts";

/** A loader, and the file of a published folder that is damaged before it runs. */
export interface FuzzedFormat {
  readonly file: string;
  load(root: string, options: LoaderOptions): Promise<LoadedDataset<unknown> | Dataset<unknown>>;
}

const images = (root: string): string => join(root, "images/mscoco/images/train2014");

const coco = (root: string, file: string, options: LoaderOptions) =>
  cocoDetection({ annotations: join(root, file), images: images(root), ...options });

const refs = (dataset: "refcoco" | "refcoco+" | "refcocog", splitBy: "unc" | "google" | "umd") => {
  return (root: string, options: LoaderOptions) =>
    refCoco({ root, images: images(root), dataset, split: "val", splitBy, segmentation: true, ...options });
};

/** Every format that the package reads. */
export const formats: readonly FuzzedFormat[] = [
  { file: "coco/instances.json", load: (root, options) => coco(root, "coco/instances.json", options) },
  {
    file: "coco/instances.json",
    load: async (root, options) =>
      openVocabulary(await coco(root, "coco/instances.json", options), { rng: createRng(1) }),
  },
  {
    file: "ovdeval/color.json",
    load: (root, options) =>
      ovdEval({ annotations: join(root, "ovdeval/color.json"), images: images(root), ...options }),
  },
  { file: "refcoco/instances.json", load: refs("refcoco", "unc") },
  { file: "refcoco/refs(unc).p", load: refs("refcoco", "unc") },
  { file: "refcoco/refs(google).p", load: refs("refcoco", "google") },
  { file: "refcoco+/refs(unc).p", load: refs("refcoco+", "unc") },
  { file: "refcocog/refs(umd).p", load: refs("refcocog", "umd") },
  ...["rec.jsonl", "mixed.jsonl", "detection.jsonl"].map((name): FuzzedFormat => {
    const answer = { "rec.jsonl": answerAsBox, "detection.jsonl": answerAsObjects }[name];
    return {
      file: `vlm-r1/${name}`,
      load: (root, options) =>
        vlmR1Jsonl<object>({
          files: [{ path: join(root, "vlm-r1", name), images: images(root) }],
          ...(answer === undefined ? {} : { answer }),
          ...options,
        }),
    };
  }),
  {
    file: "vlm-r1/refcoco_val.json",
    load: (root, options) =>
      vlmR1Evaluation({
        path: join(root, "vlm-r1/refcoco_val.json"),
        images: join(root, "images/mscoco/images"),
        ...options,
      }),
  },
  {
    file: "vlm-r1/data.yaml",
    load: (root, options) =>
      vlmR1Yaml({
        path: join(root, "vlm-r1/data.yaml"),
        images: join(root, "images/mscoco/images"),
        rng: createRng(1),
        ...options,
      }),
  },
  ...["llava.json", "sharegpt.json"].map((name): FuzzedFormat => ({
    file: `conversations/${name}`,
    load: (root, options) =>
      conversations({ path: join(root, "conversations", name), images: images(root), ...options }),
  })),
  {
    file: "r1v/superclevr.jsonl",
    load: (root, options) =>
      r1v({ path: join(root, "r1v/superclevr.jsonl"), images: join(root, "images"), ...options }),
  },
  {
    file: "reasonseg/val/1_abc.json",
    load: (root, options) => reasonSeg({ folder: join(root, "reasonseg/val"), ...options }),
  },
  {
    file: "reasonseg/val/2_def.jpg",
    load: (root, options) => reasonSeg({ folder: join(root, "reasonseg/val"), ...options }),
  },
  ...["val", "none", "snappy", "gzip", "zstd", "brotli"].map((name): FuzzedFormat => ({
    file: `hf/refcoco-${name}.parquet`,
    load: (root, options) => refCocoTable({ path: join(root, `hf/refcoco-${name}.parquet`), ...options }),
  })),
  {
    file: "hf/saved/data-00000-of-00002.arrow",
    load: (root, options) => huggingFace({ path: join(root, "hf/saved"), ...options }),
  },
  {
    file: "hf/saved/state.json",
    load: (root, options) => huggingFace({ path: join(root, "hf/saved"), ...options }),
  },
  {
    file: "hf/saved-dict/dataset_dict.json",
    load: (root, options) => huggingFace({ path: join(root, "hf/saved-dict"), split: "test", ...options }),
  },
  {
    file: "hf/wide.arrow",
    load: (root, options) =>
      huggingFace({
        path: join(root, "hf/wide.arrow"),
        columns: { image: "j", problem: "d", solution: "k", id: "b", group: "f" },
        ...options,
      }),
  },
  {
    file: "hf/multi.parquet",
    load: (root, options) =>
      huggingFace({ path: join(root, "hf/multi.parquet"), columns: { image: "images" }, ...options }),
  },
];
