export { clip } from "./combine/clip.ts";
export { gate, type GateOptions } from "./combine/gate.ts";
export { ramp, schedule, type Stages, type StepValue } from "./combine/schedule.ts";
export { weightedSum, type TargetOf, type WeightedReward } from "./combine/weighted-sum.ts";
export {
  ciouReward,
  diouReward,
  giouBelow,
  giouReward,
  iouAtLeast,
  iouReward,
  type OverlapReading,
} from "./grounding/iou.ts";
export { centerDistanceReward, pointInBox, type PointReading } from "./grounding/point.ts";
export type { BoxReading } from "./grounding/written-box.ts";
export { readBoxes, readPointedAt, readPoints, type WrittenBox, type WrittenPoint } from "./read/boxes.ts";
export { readDetections, type Detection } from "./read/detections.ts";
export { readFences, type Fence } from "./read/fences.ts";
export type { FrameReading } from "./read/in-pixels.ts";
export { readJson } from "./read/json.ts";
export { readAnswer, readSpan, readSpans, readThought, type Span, type Which } from "./read/spans.ts";
export type { AnswerTarget, BoxTarget, LabelledBox, ObjectsTarget, PointTarget } from "./target.ts";
