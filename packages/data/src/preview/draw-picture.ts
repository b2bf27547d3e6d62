import { frameExtent } from "@vlmr1/core";
import { element, escapeMarkup } from "./markup.ts";
import { formatCoordinate, type DrawnBox, type PictureView } from "./sample-view.ts";

/** Room for the rulers beside a picture, in pixels. */
export const rulerWidth = 40;
export const rulerHeight = 24;

/** Colours that stay apart for colour-blind readers, each drawn over a dark line so that it shows on any ground. */
const strokes = { target: "#2ee6a8", answer: "#ff5fa8", other: "#ffffff" } as const;

/** The outer size of a drawn picture. */
export function pictureSize({ width, height }: PictureView): {
  readonly width: number;
  readonly height: number;
} {
  return { width: width + rulerWidth + 8, height: height + rulerHeight + 8 };
}

const fonts = "ui-sans-serif, system-ui, DejaVu Sans, Helvetica, Arial, sans-serif";

/**
 * A picture as a fragment of SVG: rulers in the numbers of the model's frame, target solid, answer dashed, other objects
 * thin.
 */
export function drawPicture(view: PictureView, ink: string): string {
  const { width, height, source } = view;
  const boxes = view.boxes.toSorted((a, b) => order[a.role] - order[b.role]).map((box) => drawBox(box, view));
  const picture = element("image", { width, height, href: source, preserveAspectRatio: "none" });
  const place = { transform: `translate(${rulerWidth} ${rulerHeight})` };
  return element(
    "g",
    { "font-family": fonts },
    drawRulers(view, ink) + element("g", place, picture + boxes.join("")),
  );
}

const order = { other: 0, target: 1, answer: 2 } as const;

/**
 * Quarter marks along the top and the left edge; the last one is the frame's extent, which tells frames apart at a
 * glance.
 */
function drawRulers({ width, height, frame }: PictureView, ink: string): string {
  const [extentX, extentY] = frameExtent(frame);
  const marks: string[] = [];
  const write = (x: number, y: number, anchor: string, value: number): void => {
    const style = { "font-size": 11, "text-anchor": anchor, fill: ink };
    marks.push(element("text", { x, y, ...style }, formatCoordinate(value, frame)));
  };
  for (let quarter = 0; quarter <= 4; quarter++) {
    const x = rulerWidth + (width * quarter) / 4;
    const y = rulerHeight + (height * quarter) / 4;
    const isEnd = quarter % 4 === 0;
    marks.push(element("path", { d: `M${x} ${rulerHeight - 6}v6M${rulerWidth - 6} ${y}h6`, stroke: ink }));
    const anchor = isEnd ? (quarter === 0 ? "start" : "end") : "middle";
    if (width >= 120 || isEnd) write(x, rulerHeight - 10, anchor, (extentX * quarter) / 4);
    const baseline = y + (isEnd ? (quarter === 0 ? 9 : 0) : 4);
    if (height >= 60 || isEnd) write(rulerWidth - 9, baseline, "end", (extentY * quarter) / 4);
  }
  return marks.join("");
}

const lineWidths = { target: 2.5, answer: 2, other: 1 } as const;

function drawBox({ role, box, label }: DrawnBox, { scale, width, height }: PictureView): string {
  // A box that leaves the picture, as with a wrong frame, is drawn up to a little outside of it.
  const clip = (value: number, limit: number): number => Math.min(Math.max(value * scale, -6), limit + 6);
  const [x, y] = [clip(box[0], width), clip(box[1], height)];
  const [right, bottom] = [clip(box[2], width), clip(box[3], height)];
  const shape = { x, y, width: Math.max(0, right - x), height: Math.max(0, bottom - y), fill: "none" };
  const line = lineWidths[role];
  const dark = { stroke: "#000000", "stroke-opacity": "0.55", "stroke-width": line + 2 };
  const bright = { stroke: strokes[role], "stroke-width": line };
  const rects =
    role === "answer"
      ? element("rect", { ...shape, ...bright, "stroke-dasharray": "6 4" })
      : element("rect", { ...shape, ...dark }) + element("rect", { ...shape, ...bright });
  const opacity = role === "other" ? "0.75" : "1";
  return element("g", { opacity }, rects + drawLabel(label, role, [x, y], width));
}

/** A label above its box, or inside its top edge where there is no room above. */
function drawLabel(
  label: string,
  role: DrawnBox["role"],
  [left, top]: readonly [number, number],
  width: number,
): string {
  if (label === "") return "";
  const size = role === "other" ? 10 : 11.5;
  const length = Math.min(width, label.length * size * 0.54 + 8);
  const x = Math.max(0, Math.min(left, width - length));
  const y = top >= size + 6 ? top - size - 6 : top + 2;
  const ground = { x, y, width: length, height: size + 4, rx: 2, fill: "#000000", "fill-opacity": "0.72" };
  const text = { x: x + 4, y: y + size, "font-size": size, fill: strokes[role] };
  return element("rect", ground) + element("text", text, escapeMarkup(label));
}
