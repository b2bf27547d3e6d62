import type { Segmentation } from "./rle.ts";

/** A COCO instances file, as far as evaluation reads it. Other members are ignored. */
export interface CocoFile {
  readonly images: readonly CocoImage[];
  readonly annotations: readonly CocoAnnotation[];
  readonly categories: readonly CocoCategory[];
}

/** One image of a COCO file. Its size counts only where a mask is given as polygons or a box. */
export interface CocoImage {
  readonly id: number;
  readonly width?: number;
  readonly height?: number;
  readonly file_name?: string;
}

/** One category of a COCO file; ids need not be contiguous. */
export interface CocoCategory {
  readonly id: number;
  readonly name?: string;
}

/** One true object. */
export interface CocoAnnotation {
  /** Unique in the file. */
  readonly id: number;
  readonly image_id: number;
  readonly category_id: number;
  /** [x, y, width, height] in pixels; needed for `iouType: "bbox"`. */
  readonly bbox?: readonly number[];
  /** Pixels of the object (in COCO: of its mask). It decides the area range. */
  readonly area: number;
  /** 1 for a region of many objects: detections inside are neither right nor wrong. Default 0. */
  readonly iscrowd?: number | boolean;
  /** Needed for `iouType: "segm"`. */
  readonly segmentation?: Segmentation;
}

/**
 * One detection of a COCO results file. The first of a file decides: with a `bbox`, areas are box areas, without,
 * mask areas.
 */
export interface CocoResult {
  readonly image_id: number;
  readonly category_id: number;
  /** Any finite number; higher is surer. */
  readonly score: number;
  /** [x, y, width, height] in pixels. */
  readonly bbox?: readonly number[];
  readonly segmentation?: Segmentation;
}
