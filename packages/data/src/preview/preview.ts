import { type Dataset, type Frame, type FrameOf, pixels, type Sample, VlmR1Error } from "@vlmr1/core";
import { contactSheet, drawPicture, element, escapeMarkup, pictureSize } from "./draw.ts";
import { type PictureView, type SampleView, viewSample } from "./sample-view.ts";

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

/** One page without scripts or outside files; light or dark as the reader's system is. */
export function htmlPage(views: readonly SampleView[], heading: string, frameText: string): string {
  const widest = Math.max(
    260,
    ...views.flatMap(({ pictures }) => pictures.map((view) => pictureSize(view).width)),
  );
  const cardWidth = widest + 30;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeMarkup(heading)}</title>
<style>${style}</style>
</head>
<body>
<header>
<h1>${escapeMarkup(heading)}</h1>
<p>The rulers count in the frame that the model sees: <strong>${escapeMarkup(frameText)}</strong>.
A box that misses its object, or an answer beside its target, means that numbers are read in another frame than they
were written in.</p>
<p class="legend"><span class="target">target</span><span class="answer">answer, read in this frame</span>
<span class="other">other objects</span></p>
</header>
<main style="--card-width: ${cardWidth}px">
${views.map(article).join("\n")}
</main>
</body>
</html>
`;
}

function article(view: SampleView): string {
  const group = view.group === undefined ? "" : `<span class="group">${escapeMarkup(view.group)}</span>`;
  const rows = [
    view.answer ? `<dt>answer</dt><dd class="answer-text">${escapeMarkup(view.answer)}</dd>` : "",
    view.truth ? `<dt>truth</dt><dd>${escapeMarkup(view.truth)}</dd>` : "",
  ].join("");
  return `<article>
${view.pictures.map(picture).join("")}
<h2>${escapeMarkup(view.prompt)}</h2>
${view.warnings.map((warning) => `<p class="warning">${escapeMarkup(warning)}</p>`).join("")}
${rows === "" ? "" : `<dl>${rows}</dl>`}
<footer>${group}${escapeMarkup(view.id)}</footer>
</article>`;
}

function picture(view: PictureView): string {
  const { width, height } = pictureSize(view);
  const names = view.boxes.filter(({ role }) => role === "target").map(({ label }) => label);
  const description = names.length > 0 ? `Picture with the target ${names.join("; ")}` : "Picture";
  const attributes = { viewBox: `0 0 ${width} ${height}`, width, role: "img", "aria-label": description };
  return element("svg", attributes, drawPicture(view, "currentColor"));
}

const style = `
:root {
  color-scheme: light dark;
  --ground: #f7f8fa; --card: #ffffff; --ink: #15181d; --faint: #5d6673; --line: #dfe3e8;
  --answer: #b0206a; --bad: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #121417; --card: #1b1e23; --ink: #e8eaee; --faint: #9aa3af; --line: #30353d;
    --answer: #ff8fc4; --bad: #ff8a80;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; padding: 24px; background: var(--ground); color: var(--ink);
  font: 15px/1.45 ui-sans-serif, system-ui, "Segoe UI", Helvetica, Arial, sans-serif;
}
header { max-width: 70ch; }
h1 { font-size: 22px; margin: 0 0 8px; }
main {
  display: grid; gap: 18px; margin-top: 20px;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, var(--card-width)), 1fr));
}
article {
  background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px; overflow: hidden;
}
article svg { max-width: 100%; height: auto; color: var(--faint); display: block; }
h2 { font-size: 16px; margin: 10px 0 6px; overflow-wrap: anywhere; white-space: pre-wrap; }
dl { margin: 0; display: grid; grid-template-columns: auto 1fr; gap: 2px 10px; font-size: 13px; }
dt { color: var(--faint); }
dd {
  margin: 0; overflow-wrap: anywhere; white-space: pre-wrap;
  font: 12px/1.45 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
}
.answer-text { color: var(--answer); }
footer { margin-top: 8px; font-size: 12px; color: var(--faint); }
.group {
  border: 1px solid var(--line); border-radius: 999px; padding: 1px 8px; margin-right: 8px; color: var(--ink);
}
.warning { color: var(--bad); font-weight: 600; margin: 4px 0; }
.legend span { display: inline-block; padding: 0 10px; margin-right: 10px; border: 2px solid; }
.legend .target { border-color: #2ee6a8; }
.legend .answer { border: 2px dashed #ff5fa8; }
.legend .other { border: 1px solid var(--faint); }
`;
