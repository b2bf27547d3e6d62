import { boxArea, type Box, type FrameKind } from "@vlmr1/core";

/**
 * How much two boxes of one frame overlap: one of {@link boxIou}, {@link boxGiou}, {@link boxDiou}, {@link boxCiou}.
 */
export type BoxOverlap = <Kind extends FrameKind>(a: Box<Kind>, b: Box<Kind>) => number;

/** The epsilon that torchvision adds to the denominators of DIoU and CIoU. */
const epsilon = 1e-7;

/**
 * Intersection over union, 0..1; an empty or inverted box overlaps nothing.
 *
 * torchvision `box_iou`; where that gives 0/0 (two boxes without area) this gives 0.
 */
export function boxIou<Kind extends FrameKind>(a: Box<Kind>, b: Box<Kind>): number {
  const intersection = intersectionArea(a, b);
  return ratio(intersection, boxArea(a) + boxArea(b) - intersection);
}

/**
 * Generalised IoU, -1..1: IoU minus the share of the smallest enclosing box that neither box covers.
 *
 * Rezatofighi et al. 2019, eq. 1-2 (Algorithm 1); torchvision `generalized_box_iou`.
 */
export function boxGiou<Kind extends FrameKind>(a: Box<Kind>, b: Box<Kind>): number {
  const intersection = intersectionArea(a, b);
  const union = boxArea(a) + boxArea(b) - intersection;
  const [width, height] = enclosingSize(a, b);
  const enclosing = width * height;
  return ratio(intersection, union) - ratio(enclosing - union, enclosing);
}

/**
 * Distance IoU, -1..1: IoU minus the squared distance of the centres over the squared diagonal of the enclosing box.
 *
 * Zheng et al. 2020, eq. 5-7; torchvision `distance_box_iou` (1e-7 is added to the squared diagonal).
 */
export function boxDiou<Kind extends FrameKind>(a: Box<Kind>, b: Box<Kind>): number {
  const [width, height] = enclosingSize(a, b);
  const dx = (a[0] + a[2]) / 2 - (b[0] + b[2]) / 2;
  const dy = (a[1] + a[3]) / 2 - (b[1] + b[3]) / 2;
  return boxIou(a, b) - ratio(dx * dx + dy * dy, width * width + height * height + epsilon);
}

/**
 * Complete IoU, -1.5 < value <= 1: distance IoU minus a penalty for different aspect ratios.
 *
 * alpha v with v = 4/pi^2 (atan(w_b/h_b) - atan(w_a/h_a))^2 and alpha = v / (1 - IoU + v + 1e-7).
 * Zheng et al. 2020, eq. 8-11; torchvision `complete_box_iou`.
 */
export function boxCiou<Kind extends FrameKind>(a: Box<Kind>, b: Box<Kind>): number {
  const iou = boxIou(a, b);
  const v = (4 / Math.PI ** 2) * (aspectAngle(b) - aspectAngle(a)) ** 2;
  const alpha = v / (1 - iou + v + epsilon);
  return boxDiou(a, b) - alpha * v;
}

/**
 * The overlap of every row box with every column box: `result[i][j]` is `overlap(rows[i], columns[j])`, IoU by
 * default.
 */
export function overlapMatrix<Kind extends FrameKind>(
  rows: readonly Box<Kind>[],
  columns: readonly Box<Kind>[],
  overlap: BoxOverlap = boxIou,
): number[][] {
  return rows.map((row) => columns.map((column) => overlap(row, column)));
}

function intersectionArea(a: Box<FrameKind>, b: Box<FrameKind>): number {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  return width > 0 && height > 0 ? width * height : 0;
}

/**
 * The smallest box around all four corners. For upright boxes that is torchvision's; inverted ones cannot leave the
 * value's range.
 */
function enclosingSize(a: Box<FrameKind>, b: Box<FrameKind>): readonly [width: number, height: number] {
  return [
    Math.max(a[0], a[2], b[0], b[2]) - Math.min(a[0], a[2], b[0], b[2]),
    Math.max(a[1], a[3], b[1], b[3]) - Math.min(a[1], a[3], b[1], b[3]),
  ];
}

/** atan(width / height), defined for flat and empty boxes too. */
function aspectAngle(box: Box<FrameKind>): number {
  return Math.atan2(Math.max(0, box[2] - box[0]), Math.max(0, box[3] - box[1]));
}

/** A quotient that is 0 where it would not be a number. */
function ratio(numerator: number, denominator: number): number {
  const value = numerator / denominator;
  return denominator > 0 && Number.isFinite(value) ? value : 0;
}
