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
