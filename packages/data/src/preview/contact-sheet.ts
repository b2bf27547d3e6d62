import sharp from "sharp";
import { drawPicture, pictureSize } from "./draw-picture.ts";
import { escapeMarkup } from "./markup.ts";
import type { PictureView, SampleView } from "./sample-view.ts";

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
