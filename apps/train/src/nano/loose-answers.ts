import { thousand, type Box, type Dataset, type ImageSize, type Rng } from "@vlmr1/core";
import { boxText, map } from "@vlmr1/data";
import type { NanoTarget } from "./nano-scenes.ts";

/** How far a side may lie outside the object, as a share of the object's width or height. */
const slack = 0.5;

/**
 * Scenes as a hasty annotator would answer them: the right object, and a box around it whose sides lie up to half of its size too far
 * out, each by an amount of its own. Who imitates these answers learns what is meant, and to draw loosely; better boxes are
 * left for the rules to teach.
 */
export function looseAnswers(dataset: Dataset<NanoTarget>, rng: Rng): Dataset<NanoTarget> {
  return map(dataset, (sample, index) => {
    const { box, scene } = sample.target;
    const text = boxText(loosen(box, scene, rng.fork(`${index}`)), scene, thousand());
    return { ...sample, answer: (sample.answer ?? "").replace(/\[[^\]]*\]/, text) };
  });
}

function loosen([x1, y1, x2, y2]: Box, image: ImageSize, rng: Rng): Box {
  const offset = (side: number): number => rng.integer(Math.round(side * slack) + 1); // whole pixels
  return [
    Math.max(0, x1 - offset(x2 - x1)),
    Math.max(0, y1 - offset(y2 - y1)),
    Math.min(image.width, x2 + offset(x2 - x1)),
    Math.min(image.height, y2 + offset(y2 - y1)),
  ];
}
