import { frameExtent } from "@vlmr1/core";
import sharp from "sharp";
import { type DrawnBox, formatCoordinate, type PictureView, type SampleView } from "./sample-view.ts";

const ink = "#3a3f47";
const gap = 18;
const lineHeight = 17;
const fontSize = 13;
/** A sans-serif letter is about this much of its height wide. */
const letterWidth = 0.55;

/** All samples in rows of `columns`, as a PNG. Text needs any one sans-serif font on the machine. */
export async function contactSheet(
  views: readonly SampleView[],
  columns: number,
  heading: string,
): Promise<Uint8Array> {
  const cells = views.map(layoutCell);
  const width = Math.max(...cells.map((cell) => cell.width), 200);
  const across = Math.min(columns, cells.length);
  const body: string[] = [];
  let y = gap + 28;
  for (let first = 0; first < cells.length; first += across) {
    const row = cells.slice(first, first + across);
    for (const [i, cell] of row.entries()) {
      body.push(`<g transform="translate(${gap + i * (width + gap)} ${y})">${cell.markup}</g>`);
    }
    y += Math.max(...row.map((cell) => cell.height)) + gap;
  }
  const total = gap + across * (width + gap);
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${total}" height="${y}" ` +
    `font-family="DejaVu Sans, Helvetica, Arial, sans-serif">` +
    `<rect width="100%" height="100%" fill="#f7f8fa"/>` +
    `<text x="${gap}" y="${gap + 10}" font-size="15" font-weight="bold" fill="${ink}">${escapeMarkup(heading)}</text>` +
    `${body.join("")}</svg>`;
  return new Uint8Array(await sharp(Buffer.from(svg), { unlimited: true }).png().toBuffer());
}

interface Cell {
  readonly width: number;
  readonly height: number;
  readonly markup: string;
}

function layoutCell(view: SampleView): Cell {
  const pictures = view.pictures.map((picture) => ({ picture, ...pictureSize(picture) }));
  const width = Math.max(
    260,
    pictures.reduce((sum, picture) => sum + picture.width, 0),
  );
  const pictureHeight = Math.max(0, ...pictures.map(({ height }) => height));
  const letters = Math.floor(width / (fontSize * letterWidth));
  const lines = [
    ...wrap(view.prompt, letters, 3).map((text) => ({ text, fill: "#101418", weight: "bold" })),
    ...wrap(view.answer ?? "", letters, 3).map((text) => ({ text, fill: "#b0206a", weight: "normal" })),
    ...wrap(view.warnings.join(" "), letters, 2).map((text) => ({ text, fill: "#b3261e", weight: "bold" })),
    { text: [view.id, view.group].filter(Boolean).join(" · "), fill: "#6b7280", weight: "normal" },
  ];
  const text = lines.map(
    (line, i) =>
      `<text x="2" y="${pictureHeight + (i + 1) * lineHeight}" font-size="${fontSize}" font-weight="${line.weight}" ` +
      `fill="${line.fill}">${escapeMarkup(line.text)}</text>`,
  );
  const height = pictureHeight + lines.length * lineHeight + 6;
  return { width, height, markup: drawSideBySide(pictures) + text.join("") };
}

function drawSideBySide(
  pictures: readonly { readonly picture: PictureView; readonly width: number }[],
): string {
  let x = 0;
  const drawn = pictures.map(({ picture, width }) => {
    const markup = `<g transform="translate(${x} 0)">${drawPicture(picture, ink)}</g>`;
    x += width;
    return markup;
  });
  return drawn.join("");
}

/**
 * Breaks a text at spaces into at most `most` lines of at most `letters` characters; a text that goes on ends in
 * "…".
 */
function wrap(text: string, letters: number, most: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/).filter(Boolean)) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (longer.length > letters && line !== "") {
      lines.push(line);
      line = word;
    } else line = longer;
    if (lines.length > most) break;
  }
  if (line !== "") lines.push(line);
  const shown = lines.slice(0, most).map((each) => each.slice(0, letters));
  if (lines.length > most) shown[most - 1] = `${(shown[most - 1] as string).slice(0, letters - 1)}…`;
  return shown;
}

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

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/**
 * Text for HTML and SVG: markup in a data set is shown, never obeyed; control characters, which XML forbids, are
 * left out.
 */
export function escapeMarkup(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cs}\p{Cn}]/gu, keepSpace)
    .replace(/[&<>"']/g, (character) => entities[character] as string);
}

function keepSpace(character: string): string {
  return character === "\n" || character === "\t" ? character : "";
}

/** An element of SVG: attributes are escaped, numbers rounded to a tenth, the content is markup already. */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | number>>,
  content = "",
): string {
  const written = Object.entries(attributes).map(([key, value]) => {
    const text = typeof value === "number" ? String(Math.round(value * 10) / 10) : escapeMarkup(value);
    return ` ${key}="${text}"`;
  });
  return `<${name}${written.join("")}>${content}</${name}>`;
}
