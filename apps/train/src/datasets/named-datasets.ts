import { createRng, pixels, thousand, unit, VlmR1Error, type Dataset, type FrameOf } from "@vlmr1/core";
import {
  answerAsBoxIn,
  answerAsObjectsIn,
  answerAsText,
  cocoDetection,
  conversations,
  drawScenes,
  huggingFace,
  openVocabulary,
  ovdEval,
  r1v,
  reasonSeg,
  refCoco,
  sceneSplits,
  vlmR1Evaluation,
  vlmR1Jsonl,
  vlmR1Yaml,
  type AnswerReader,
  type VlmR1File,
} from "@vlmr1/data";
import { delimiter, dirname } from "node:path";
import type { datasetNames, RunConfig } from "../config/run-config.ts";
import { localPath } from "../hub/named.ts";
import { expressionQuestion, namedTemplate, namesQuestion } from "./prompts.ts";

/** The field of a sample's target that rewards compare with. */
export type TruthKind = "box" | "objects" | "answer";

/** Which data to open, and how. */
export interface DataRequest extends Pick<
  RunConfig,
  | "dataset"
  | "data"
  | "images"
  | "split"
  | "limit"
  | "question"
  | "template"
  | "answer"
  | "answerFrame"
  | "rewardMethod"
  | "onBadSample"
  | "maxPixels"
  | "exifRotation"
  | "scenes"
  | "seed"
> {
  /** The frame in which the model writes boxes: drawn scenes write good answers in it. */
  readonly frame: FrameOf;
  /** Names the stream of drawn scenes, and of names that are not there. */
  readonly stream: string;
}

interface NamedDataset {
  /** What `data` is. */
  readonly path: string;
  readonly truth: (request: DataRequest) => TruthKind;
  readonly open: (request: OpenRequest) => Promise<Dataset>;
}

interface OpenRequest extends DataRequest {
  readonly data: string;
  readonly images: string;
}

const taskTruth = { referring: "box", detection: "objects", counting: "answer", "yes-no": "answer" } as const;
const box = (): TruthKind => "box";
const objects = (): TruthKind => "objects";
const answers = (otherwise: "text" | "box"): NamedDataset["truth"] => {
  const kinds = { text: "answer", box: "box", objects: "objects" } as const;
  return ({ answer = otherwise }) => kinds[answer];
};

/** The formats whose targets have the text of VLM-R1's `solution` beside the answer that is read from it. */
const withSolution: ReadonlySet<string> = new Set([
  "vlm-r1-jsonl",
  "vlm-r1-json",
  "vlm-r1-yaml",
  "hugging-face",
  "r1v",
]);

/** The fields of a target that rewards can compare with. */
export function truthOf(request: DataRequest): readonly (TruthKind | "solution")[] {
  const truth = namedDatasets[request.dataset].truth(request);
  return withSolution.has(request.dataset) ? [truth, "solution"] : [truth];
}

/** Every format by its name. */
export const namedDatasets: Readonly<Record<(typeof datasetNames)[number], NamedDataset>> = {
  scenes: {
    path: "nothing: scenes are drawn",
    truth: ({ scenes }) => taskTruth[scenes.task],
    open: async ({ scenes, seed, stream, frame, split, template }) => {
      const { task, length, side } = scenes;
      const kind = split ?? scenes.kind;
      if (!(kind in sceneSplits)) {
        throw new VlmR1Error(
          "invalid-argument",
          `Drawn scenes have the splits ${Object.keys(sceneSplits).join(", ")}; got ${JSON.stringify(kind)}.`,
        );
      }
      return drawScenes({
        rng: createRng(seed).fork(`${stream} scenes`),
        length,
        task,
        size: { width: side, height: side },
        answerFrame: frame,
        everyWordNeeded: false,
        name: stream,
        ...sceneSplits[kind as keyof typeof sceneSplits],
        ...(template !== undefined && { prompt: namedTemplate(template) }),
      });
    },
  },
  refcoco: { path: "the folder that holds refcoco/ and images/", truth: box, open: openRefCoco },
  "refcoco+": { path: "the folder that holds refcoco+/ and images/", truth: box, open: openRefCoco },
  refcocog: { path: "the folder that holds refcocog/ and images/", truth: box, open: openRefCoco },
  coco: {
    path: "a COCO instances file",
    truth: objects,
    open: (request) =>
      cocoDetection({ annotations: request.data, ...fileOptions(request), ...namesPrompt(request) }),
  },
  "open-vocabulary": {
    path: "a COCO instances file",
    truth: objects,
    open: async (request) =>
      openVocabulary(await cocoDetection({ annotations: request.data, ...fileOptions(request) }), {
        rng: createRng(request.seed).fork(`${request.stream} names`),
        ...namesPrompt(request),
      }),
  },
  ovdeval: {
    path: "a COCO file of OVDEval",
    truth: objects,
    open: (request) =>
      ovdEval({ annotations: request.data, ...fileOptions(request), ...namesPrompt(request) }),
  },
  "vlm-r1-jsonl": {
    path: "a JSONL file of VLM-R1, or several with colons between them",
    truth: answers("text"),
    open: (request) =>
      vlmR1Jsonl({
        files: jsonlFiles(request),
        answer: answerReader(request, "text"),
        ...readingOptions(request),
      }),
  },
  "vlm-r1-json": {
    path: "a list of {image, problem, solution}, JSON or JSONL",
    truth: answers("box"),
    open: (request) =>
      vlmR1Evaluation({
        path: request.data,
        ...fileOptions(request),
        answer: answerReader(request, "box"),
        ...templateOf(request),
      }),
  },
  "vlm-r1-yaml": {
    path: "a YAML list of datasets",
    truth: answers("box"),
    open: (request) =>
      vlmR1Yaml({
        path: request.data,
        ...fileOptions(request),
        answer: answerReader(request, "box"),
        rng: createRng(request.seed).fork(`${request.stream} sampling`),
        ...templateOf(request),
      }),
  },
  conversations: {
    path: "a list of conversations (LLaVA, ShareGPT, OpenAI), JSON or JSONL",
    truth: answers("text"),
    open: (request) =>
      conversations({
        path: request.data,
        ...fileOptions(request),
        answer: answerReader(request, "text"),
        ...templateOf(request),
      }),
  },
  "hugging-face": {
    path: "a .parquet or .arrow file, or a folder of them",
    truth: answers("text"),
    open: (request) =>
      huggingFace({
        path: request.data,
        images: request.images,
        answer: answerReader(request, "text"),
        ...(request.split !== undefined && { split: request.split }),
        ...readingOptions(request),
      }),
  },
  "reason-seg": {
    path: "the folder of one split",
    truth: box,
    open: (request) =>
      reasonSeg({ folder: request.data, ...readingOptions(request), ...expressionPrompt(request) }),
  },
  r1v: {
    path: "a JSONL file of {image_path, question, ground_truth}",
    truth: () => "answer",
    open: (request) => r1v({ path: request.data, ...fileOptions(request), ...templateOf(request) }),
  },
};

/** Refuses a format that is read from disk without a path. @throws VlmR1Error `invalid-argument` saying what the path is. */
export function checkPath({ dataset, data }: Pick<DataRequest, "dataset" | "data">): void {
  if (data === undefined && dataset !== "scenes")
    throw new VlmR1Error(
      "invalid-argument",
      `--dataset ${dataset} needs --data: ${namedDatasets[dataset].path}.`,
    );
}

/**
 * Opens the data that a configuration names.
 *
 * @throws VlmR1Error `invalid-argument` without a path; `not-found` and `invalid-data` as the format's loader.
 */
export async function openDataset(request: DataRequest): Promise<Dataset> {
  const { dataset, data, limit } = request;
  checkPath(request);
  const { open } = namedDatasets[dataset];
  const place = data === undefined ? "" : localPath(data);
  const opened = await open({ ...request, data: place, images: request.images ?? dirname(place) });
  if (opened.length === 0)
    throw new VlmR1Error("invalid-data", `${dataset} ${data ?? ""}: there are no samples to use.`);
  if (limit === undefined || limit >= opened.length) return opened;
  return { ...opened, length: limit, get: (index) => opened.get(checked(index, limit)) };
}

function openRefCoco(request: OpenRequest): Promise<Dataset> {
  const { dataset, data, split = "train" } = request;
  return refCoco({
    root: data,
    dataset: dataset as "refcoco",
    split,
    ...readingOptions(request),
    // Without --images they are where refer keeps them, not beside an annotation file.
    ...(request.images !== dirname(data) && { images: request.images }),
    ...expressionPrompt(request),
  });
}

/** The files of `a.jsonl:b.jsonl`, with a folder of images and a rule for each, as VLM-R1's own command takes them. */
function jsonlFiles({ data, images, rewardMethod }: OpenRequest): VlmR1File[] {
  const paths = data.split(delimiter);
  const each = (option: string, text: string | undefined): readonly (string | undefined)[] => {
    if (text === undefined) return paths.map(() => undefined);
    const parts = text.split(option === "--reward-method" ? ":" : delimiter);
    if (parts.length === 1) return paths.map(() => parts[0]);
    if (parts.length === paths.length) return parts;
    throw new VlmR1Error(
      "invalid-argument",
      `${option} names ${parts.length} for ${paths.length} files of --data: give one for all, or one each.`,
    );
  };
  const folders = each("--images", images === dirname(data) ? undefined : images);
  const methods = each("--reward-method", rewardMethod);
  return paths.map((path, i) => {
    const method = methods[i];
    return {
      path,
      images: folders[i] ?? dirname(path),
      ...(method !== undefined && { rewardMethod: method }),
    };
  });
}

function readingOptions(request: OpenRequest) {
  return { ...loadingOptions(request), ...templateOf(request) };
}

function fileOptions(request: OpenRequest) {
  return { images: request.images, ...loadingOptions(request) };
}

function loadingOptions({ onBadSample, maxPixels, exifRotation }: OpenRequest) {
  return { onBadSample, maxPixels, exifRotation };
}

function templateOf({ template }: DataRequest) {
  return template === undefined ? {} : { template: namedTemplate(template) };
}

function expressionPrompt(request: DataRequest) {
  const { question } = request;
  return {
    ...templateOf(request),
    ...(question !== undefined && { question: expressionQuestion(question) }),
  };
}

function namesPrompt(request: DataRequest) {
  const { question } = request;
  return { ...templateOf(request), ...(question !== undefined && { question: namesQuestion(question) }) };
}

function answerReader(
  { answer, answerFrame }: DataRequest,
  otherwise: "text" | "box",
): AnswerReader<unknown> {
  const frame = { pixels, unit, thousand }[answerFrame] as FrameOf;
  return { text: answerAsText, box: answerAsBoxIn(frame), objects: answerAsObjectsIn(frame) }[
    answer ?? otherwise
  ];
}

function checked(index: number, limit: number): number {
  if (index < limit) return index;
  throw new VlmR1Error("invalid-argument", `There is no sample ${index}: only ${limit} are used.`);
}
