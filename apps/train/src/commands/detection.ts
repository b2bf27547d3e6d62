import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { convertBox, isBox, pixels, type Box, type Dataset, type FrameOf, type Rng } from "@vlmr1/core";
import {
  evaluateDetections,
  type CocoId,
  type DetectedImage,
  type DetectedObject,
  type DetectionEvaluation,
  type EvaluationReport,
  type TrueObject,
} from "@vlmr1/eval";
import { readAnswer, readDetections } from "@vlmr1/rewards";

/** The parts of a detection target that a COCO evaluation uses; every format with objects has the first. */
interface ObjectsTruth {
  readonly objects: readonly TrueObject[];
  readonly crowds?: readonly TrueObject[];
  readonly imageId?: CocoId;
}

/** What a detection evaluation needs beside the report of the rows. */
export interface DetectionRequest {
  readonly dataset: Dataset;
  /** The frame in which the model writes boxes. */
  readonly frame: FrameOf;
  readonly rng: Rng;
  /** Whether OVDEval's NMS-AP is wanted, too. */
  readonly nmsAp: boolean;
}

/**
 * Detection over the whole set, as papers report it, from the first completion of each row: one COCO AP instead of a mean
 * over pictures.
 */
export async function detectionOf(
  { rows }: EvaluationReport,
  { dataset, frame, rng, nmsAp }: DetectionRequest,
): Promise<DetectionEvaluation> {
  const images: DetectedImage[] = [];
  for (const { index, completions } of rows) {
    const { id, images: pictures, target } = await dataset.get(index);
    const [picture] = pictures;
    if (!picture) continue;
    const size = { width: picture.width, height: picture.height };
    const { objects, crowds = [], imageId = id } = target as ObjectsTruth;
    images.push({
      id: imageId,
      size,
      truths: [...objects, ...crowds.map((region) => ({ ...region, crowd: true }))],
      detections: detectedIn(completions[0]?.text ?? "", (box) => convertBox(box, frame(size), pixels(size))),
    });
  }
  const { categories } = dataset as { readonly categories?: ReadonlyMap<number, string> };
  return evaluateDetections(images, { ...(categories && { categories }), nmsAp, rng: rng.fork("detection") });
}

/** The boxes of a completion in pixels; those whose corners are in the wrong order are nowhere. */
function detectedIn(completion: string, inPixels: (box: Box<never>) => Box): DetectedObject[] {
  return readDetections(readAnswer(completion) ?? completion).map(({ box, label, confidence = 1 }) => ({
    box: isBox(box) ? inPixels(box as Box<never>) : [0, 0, 0, 0],
    label,
    score: confidence,
  }));
}

/** Writes truth and results as the files that `vlmr1 eval coco` and pycocotools read. */
export function writeDetections(
  directory: string,
  { annotations, results }: DetectionEvaluation,
): { readonly annotations: string; readonly results: string } {
  const files = {
    annotations: join(directory, "coco-annotations.json"),
    results: join(directory, "coco-results.json"),
  };
  writeFileSync(files.annotations, `${JSON.stringify(annotations)}\n`);
  writeFileSync(files.results, `${JSON.stringify(results)}\n`);
  return files;
}
