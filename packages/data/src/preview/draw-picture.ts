import { frameExtent, type Frame } from "@vlmr1/core";
import { escapeMarkup } from "./markup.ts";
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

/** A picture as a fragment of SVG: rulers in the numbers of the model's frame, target solid, answer dashed, other objects thin. */
export function drawPicture(view: PictureView, ink: string): string {
  const boxes = view.boxes.toSorted((a, b) => order[a.role] - order[b.role]).map((box) => drawBox(box, view));
  return (
    `<g font-family="ui-sans-serif, system-ui, DejaVu Sans, Helvetica, Arial, sans-serif">${drawRulers(view, ink)}` +
    `<g transform="translate(${rulerWidth} ${rulerHeight})">` +
    `<image width="${view.width}" height="${view.height}" href="${view.source}" preserveAspectRatio="none"/>` +
    `${boxes.join("")}</g></g>`
  );
}

const order = { other: 0, target: 1, answer: 2 } as const;

/** Quarter marks along the top and the left edge; the last one is the frame's extent, which tells frames apart at a glance. */
function drawRulers({ width, height, frame }: PictureView, ink: string): string {
  const [extentX, extentY] = frameExtent(frame);
  const marks: string[] = [];
  for (let quarter = 0; quarter <= 4; quarter++) {
    const x = rulerWidth + (width * quarter) / 4;
    const y = rulerHeight + (height * quarter) / 4;
    const anchor = quarter === 0 ? "start" : quarter === 4 ? "end" : "middle";
    const [valueX, valueY] = [tick((extentX * quarter) / 4, frame), tick((extentY * quarter) / 4, frame)];
    marks.push(`<path d="M${x} ${rulerHeight - 6}v6M${rulerWidth - 6} ${y}h6" stroke="${ink}"/>`);
    if (width >= 120 || quarter % 4 === 0) {
      marks.push(
        `<text x="${x}" y="${rulerHeight - 10}" font-size="11" text-anchor="${anchor}" fill="${ink}">${valueX}</text>`,
      );
    }
    if (height >= 60 || quarter % 4 === 0) {
      const baseline = y + (quarter === 0 ? 9 : quarter === 4 ? 0 : 4);
      marks.push(
        `<text x="${rulerWidth - 9}" y="${baseline}" font-size="11" text-anchor="end" fill="${ink}">${valueY}</text>`,
      );
    }
  }
  return marks.join("");
}

function tick(value: number, frame: Frame): string {
  return formatCoordinate(value, frame);
}

function drawBox({ role, box, label }: DrawnBox, { scale, width, height }: PictureView): string {
  // A box that leaves the picture, as with a wrong frame, is drawn up to a little outside of it.
  const clip = (value: number, limit: number): number => Math.min(Math.max(value * scale, -6), limit + 6);
  const [x1, y1, x2, y2] = [
    clip(box[0], width),
    clip(box[1], height),
    clip(box[2], width),
    clip(box[3], height),
  ];
  const shape = `x="${round(x1)}" y="${round(y1)}" width="${round(Math.max(0, x2 - x1))}" height="${round(Math.max(0, y2 - y1))}"`;
  const line = { target: 2.5, answer: 2, other: 1 }[role];
  const dashes = role === "answer" ? ` stroke-dasharray="6 4"` : "";
  const opacity = role === "other" ? ` opacity="0.75"` : "";
  const shadow =
    role === "answer"
      ? ""
      : `<rect ${shape} fill="none" stroke="#000000" stroke-opacity="0.55" stroke-width="${line + 2}"/>`;
  const rect = `<rect ${shape} fill="none" stroke="${strokes[role]}" stroke-width="${line}"${dashes}/>`;
  return `<g${opacity}>${shadow}${rect}${drawLabel(label, role, [x1, y1, x2, y2], [width, height])}</g>`;
}

/** A label above its box, or inside its top edge where there is no room above. */
function drawLabel(
  label: string,
  role: DrawnBox["role"],
  [x1, y1]: readonly [number, number, number, number],
  [width]: readonly [number, number],
): string {
  if (label === "") return "";
  const size = role === "other" ? 10 : 11.5;
  const length = Math.min(width, label.length * size * 0.54 + 8);
  const x = Math.max(0, Math.min(x1, width - length));
  const y = y1 >= size + 6 ? y1 - size - 6 : y1 + 2;
  return (
    `<rect x="${round(x)}" y="${round(y)}" width="${round(length)}" height="${size + 4}" rx="2" fill="#000000" fill-opacity="0.72"/>` +
    `<text x="${round(x + 4)}" y="${round(y + size)}" font-size="${size}" fill="${strokes[role]}">${escapeMarkup(label)}</text>`
  );
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
