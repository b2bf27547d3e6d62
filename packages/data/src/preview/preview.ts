import { pixels, VlmR1Error, type Dataset, type Frame, type FrameOf, type Sample } from "@vlmr1/core";
import { contactSheet } from "./contact-sheet.ts";
import { htmlPage } from "./html-page.ts";
import { viewSample } from "./sample-view.ts";

export interface PreviewOptions {
  /** Samples shown. Default 12, or all of a smaller dataset. */
  readonly count?: number;
  /** The first one shown. Default 0. */
  readonly first?: number;
  /** Pictures in a row of the contact sheet. Default 4. */
  readonly columns?: number;
  /** Longer side of a shown picture in pixels. Default 300. */
  readonly side?: number;
  /** The frame in which the model reads and writes coordinates. Default: pixels of the image. */
  readonly frame?: FrameOf;
  /** Headline. Default "N of M samples". */
  readonly title?: string;
}

/** What a dataset looks like. */
export interface Preview {
  /** A contact sheet as a PNG file. */
  readonly png: Uint8Array;
  /** A page that needs no other file. */
  readonly html: string;
  /** For each sample with something wrong, its id and what it is. */
  readonly warnings: readonly { readonly id: string; readonly warning: string }[];
}

/**
 * Draws samples with their boxes, prompts and answers, in the numbers that the model sees.
 *
 * The targets' boxes are drawn solid. Boxes in the sample's `answer` are read in `frame` and drawn dashed: when they
 * do not lie on the targets, answers and targets are in different frames, the commonest mistake of the field, and
 * `warnings` says so.
 *
 * @throws VlmR1Error `invalid-argument` for an empty range; what the dataset throws for a malformed sample.
 */
export async function preview(dataset: Dataset, options: PreviewOptions = {}): Promise<Preview> {
  const { first = 0, columns = 4, side = 300, frame = pixels } = options;
  const count = Math.min(options.count ?? 12, dataset.length - first);
  checkRange(dataset.length, { first, count, columns, side });
  const samples: Sample[] = [];
  for (let i = 0; i < count; i++) samples.push(await dataset.get(first + i));
  const views = await Promise.all(samples.map((sample) => viewSample(sample, frame, side)));
  const heading = options.title ?? `${count} of ${dataset.length} samples`;
  const image = samples.find(({ images }) => images.length > 0)?.images[0];
  const frameText = image ? frameName(frame(image)) : "none, there are no pictures";
  return {
    png: await contactSheet(views, columns, `${heading} · frame: ${frameText}`),
    html: htmlPage(views, heading, frameText),
    warnings: views.flatMap(({ id, warnings }) => warnings.map((warning) => ({ id, warning }))),
  };
}

function frameName(frame: Frame): string {
  switch (frame.kind) {
    case "pixels":
      return "pixels of the image";
    case "unit":
      return "fractions of width and height, 0 to 1";
    case "thousand":
      return "thousandths of width and height, 0 to 1000";
    case "resized":
      return "pixels of the image after the processor resized it";
  }
}

function checkRange(
  length: number,
  numbers: Readonly<Record<"first" | "count" | "columns" | "side", number>>,
): void {
  const { first, count, columns, side } = numbers;
  if (Number.isInteger(first) && first >= 0 && count >= 1 && Number.isInteger(count)) {
    if (Number.isInteger(columns) && columns >= 1 && side >= 32 && side <= 4096) return;
    throw new VlmR1Error(
      "invalid-argument",
      `A preview needs at least one column and a side of 32..4096 pixels, got columns ${columns} and side ${side}.`,
    );
  }
  throw new VlmR1Error(
    "invalid-argument",
    `Nothing to preview: ${count} samples from number ${first} on, of a dataset with ${length}.`,
  );
}
