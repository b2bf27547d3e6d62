import { convertBox, pixels, type Box, type FrameOf, type ImageSize, type ScoredSample } from "@vlmr1/core";

/** The size of the sample's image; for a sample without one, a size that holds its boxes. */
export function sizeOf(sample: ScoredSample, boxes: readonly Box[]): ImageSize {
  const right = Math.max(1, ...boxes.map((box) => box[2]));
  const bottom = Math.max(1, ...boxes.map((box) => box[3]));
  return sample.images[0] ?? { width: Math.ceil(right * 1.25), height: Math.ceil(bottom * 1.25) };
}

/** A box as a model writes it: four numbers of its frame. */
export function inFrame(box: Box, image: ImageSize, frame: FrameOf): number[] {
  const converted = convertBox(box, pixels(image), frame(image));
  return converted.map((value) => Number(value.toPrecision(6)));
}

/** A box moved by a share of its size. */
export function shifted([x1, y1, x2, y2]: Box, by: number): Box {
  const [dx, dy] = [(x2 - x1) * by, (y2 - y1) * by];
  return [x1 + dx, y1 + dy, x2 + dx, y2 + dy];
}

/** Nine equal boxes that cover the image. */
export function grid({ width, height }: ImageSize): Box[] {
  return Array.from({ length: 9 }, (_, i): Box => {
    const [column, row] = [i % 3, Math.floor(i / 3)];
    return [(column * width) / 3, (row * height) / 3, ((column + 1) * width) / 3, ((row + 1) * height) / 3];
  });
}
