import { VlmR1Error } from "@vlmr1/core";
import type { AnnotationTable } from "./annotation-table.ts";
import type { ResultTable } from "./result-table.ts";
import { runsOfXywh } from "./rle-polygon.ts";
import type { Runs } from "./rle-runs.ts";
import { runsOfSegmentation } from "./rle.ts";

/**
 * A reader of the mask of any row of a table. A detection that has a box and no mask stands for its box.
 *
 * @throws VlmR1Error `invalid-argument` when the table was made without masks; the reader throws `invalid-data`
 * naming the record.
 */
export function maskReader(
  noun: string,
  table: AnnotationTable | ResultTable,
  annotations: AnnotationTable,
): (index: number) => Runs {
  const { segmentations, source, kind } = table;
  if (!segmentations) {
    throw new VlmR1Error(
      "invalid-argument",
      `${source} was read without masks: read it with { masks: true }.`,
    );
  }
  return (index) => {
    const segmentation = segmentations[index];
    const place = `${source}: ${noun} ${index}`;
    try {
      if (segmentation === undefined || segmentation === null) {
        if (kind === "annotations") throw new VlmR1Error("invalid-data", "There is no mask.");
        const [height, width] = imageSize(table, index, annotations);
        return runsOfXywh([...table.boxes.subarray(4 * index, 4 * index + 4)], height, width);
      }
      if (!Array.isArray(segmentation)) return runsOfSegmentation(segmentation, 0, 0);
      return runsOfSegmentation(segmentation, ...imageSize(table, index, annotations));
    } catch (cause) {
      if (!VlmR1Error.is(cause)) throw cause;
      throw new VlmR1Error(cause.code, `${place}: "segmentation": ${cause.message}`, { cause });
    }
  };
}

function imageSize(
  table: AnnotationTable | ResultTable,
  index: number,
  { images, source }: AnnotationTable,
): [height: number, width: number] {
  const id = table.imageIds[index] as number;
  const { width, height } = images.get(id) ?? { width: NaN, height: NaN };
  if (width > 0 && height > 0) return [height, width];
  throw new VlmR1Error(
    "invalid-data",
    `A mask given as polygons needs the size of its image, but image ${id} of ${source} has no positive whole width and height.`,
  );
}
