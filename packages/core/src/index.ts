export {
  boxArea,
  boxCenter,
  boxFromXywh,
  boxToXywh,
  clipBox,
  convertBox,
  convertPoint,
  isBox,
  type Box,
  type Point,
} from "./box.ts";
export type { CompleteOptions, Completion, CompletionModel } from "./completion.ts";
export { showValue, VlmR1Error, type ErrorCode } from "./error.ts";
export {
  frameExtent,
  originalSize,
  pixels,
  resized,
  thousand,
  unit,
  type Frame,
  type FrameKind,
  type FrameOf,
  type ImageSize,
} from "./frame.ts";
export type { RgbImage } from "./image.ts";
export { alone, inProcessPeers, type Peers } from "./peers.ts";
export { kebabCase, matchesPattern } from "./names.ts";
export { createPythonRandom, type PythonRandom } from "./python-random.ts";
export type { ResizeFilter } from "./resize-filter.ts";
export { resizeImage, type ResizeTarget } from "./resize-image.ts";
export type { RewardBreakdown, RewardFunction, RewardInput, ScoreFunction } from "./reward.ts";
export { createRng, type Rng } from "./rng.ts";
export type { Dataset, Sample, ScoredSample } from "./sample.ts";
export { hasZeroVariance, mean, quantile, std } from "./statistics.ts";
