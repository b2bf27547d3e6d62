export { boxCiou, boxDiou, boxGiou, boxIou, overlapMatrix, type BoxOverlap } from "./box-overlap.ts";
export {
  decodeRle,
  encodeMask,
  mergeRles,
  rleArea,
  rleFromPolygon,
  rleFromSegmentation,
  rleFromXywh,
  rleIou,
  rleToXywh,
  type CompressedRle,
  type Rle,
  type Segmentation,
} from "./rle.ts";
export { evaluateCoco, type CocoCategoryResult, type CocoEvaluation, type CocoOptions } from "./coco.ts";
export {
  evaluateCocoFiles,
  readCocoAnnotations,
  readCocoResults,
  type CocoReadOptions,
} from "./coco-read.ts";
