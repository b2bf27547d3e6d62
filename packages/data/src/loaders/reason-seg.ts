import type { Buffer } from "node:buffer";
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { type Box, clipBox, type ImageSize, pixels, VlmR1Error } from "@vlmr1/core";
import { decodeUtf8, invalidData, unreadable } from "@vlmr1/core/files";
import {
  type LoaderOptions,
  createSkipLog,
  loadedDataset,
  type LoadedDataset,
  type SkipLog,
} from "../dataset/bad-samples.ts";
import { missingFiles, missingImage, openImageFolder } from "../images/image-folder.ts";
import { type PromptTemplate, recQuestion, recTemplate } from "../prompts.ts";
import { optionalField, recordOf, wrongField } from "../records/record-samples.ts";

type Polygon = readonly (readonly [x: number, y: number])[];

/** The truth of a ReasonSeg instruction. */
export interface ReasonSegTarget {
  /** Around all target polygons, in pixels of the image: what VLM-R1 and Visual-RFT take for the grounding answer. */
  readonly box: Box;
  readonly expression: string;
  readonly polygons: readonly Polygon[];
  /** Regions that count neither way. */
  readonly ignored: readonly Polygon[];
}

export interface ReasonSegOptions extends LoaderOptions {
  /** The folder of one split: `ReasonSeg/val` with `x.jpg` and `x.json` side by side. */
  readonly folder: string;
  /** Default {@link recQuestion}. */
  readonly question?: (expression: string) => string;
  /** Default {@link recTemplate}. */
  readonly template?: PromptTemplate;
}

interface Annotation {
  readonly texts: readonly string[];
  readonly sentence: boolean;
  readonly polygons: readonly Polygon[];
  readonly ignored: readonly Polygon[];
}

/**
 * Loads a folder of ReasonSeg (LISA): one sample an instruction, in the order of the file names. The group tells sentences from
 * phrases. Files without a target polygon, of which the published test split has two, are left out and counted in `skipped`.
 * @throws VlmR1Error `not-found`, or `invalid-data` naming file, field and value.
 * @see https://github.com/dvlab-research/LISA
 */
export async function reasonSeg(options: ReasonSegOptions): Promise<LoadedDataset<ReasonSegTarget>> {
  const log = createSkipLog(options.onBadSample);
  const images = await openImageFolder(options.folder, options);
  const names = (await readdir(images.path)).filter((name) => name.endsWith(".json")).sort();
  const samples: { readonly file: string; readonly image: string; readonly text: number }[] = [];
  for (const name of names) {
    const file = join(images.path, name);
    const texts = await countTexts(file, log);
    for (let text = 0; text < texts; text++)
      samples.push({ file, image: file.replace(/\.json$/, ".jpg"), text });
  }
  const missing = log.skipping
    ? await missingFiles([...new Set(samples.map(({ image }) => image))])
    : new Set<string>();
  for (const { file, image, text } of samples) {
    if (missing.has(image)) log.note(missingImage(image, { file, place: `text[${text}]` }));
  }
  const good = samples.filter(({ image }) => !missing.has(image));
  const question = options.question ?? recQuestion;
  const template = options.template ?? recTemplate;
  return loadedDataset<ReasonSegTarget>({
    name: options.folder,
    length: good.length,
    log,
    read: async (position) => {
      const { file, image: path, text } = good[position]!;
      const { texts, sentence, polygons, ignored } = await readAnnotation(file);
      const expression = texts[text];
      if (expression === undefined)
        throw invalidData({ file, problem: "the file has changed since it was opened; load it again" });
      const image = await images.load(path, { file, place: `text[${text}]` });
      return {
        id: `${basename(file, ".json")}/${text}`,
        prompt: template(question(expression)),
        images: [image],
        target: { box: boxAround(polygons, image, file), expression, polygons, ignored },
        group: sentence ? "sentence" : "phrase",
      };
    },
  });
}

async function countTexts(file: string, log: SkipLog): Promise<number> {
  try {
    const { texts, polygons } = await readAnnotation(file);
    if (polygons.length > 0) return texts.length;
    log.leaveOut(
      invalidData({ file, place: "shapes", problem: "there is no target polygon, so the file is left out" }),
    );
  } catch (error) {
    log.note(error);
  }
  return 0;
}

async function readAnnotation(file: string): Promise<Annotation> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw unreadable(file, cause);
  });
  // Some published files are not UTF-8 but Windows-1252; LISA's own reader falls back in the same way.
  const text = decodeUtf8(bytes, 0, bytes.length) ?? decodeWindows1252(bytes);
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\ufeff/, ""));
  } catch (cause) {
    throw invalidData({ file, problem: `this is no valid JSON: ${(cause as Error).message}`, cause });
  }
  const mention = { file, place: "the record" };
  const record = recordOf(value, mention);
  const given = optionalField(record, "text");
  const texts = typeof given === "string" ? [given] : given;
  if (
    !Array.isArray(texts) ||
    texts.length === 0 ||
    !texts.every((entry) => typeof entry === "string" && entry.trim() !== "")
  ) {
    throw wrongField(mention, "text", "an instruction or a list of instructions", given);
  }
  const sentence = optionalField(record, "is_sentence") ?? false;
  if (typeof sentence !== "boolean") throw wrongField(mention, "is_sentence", "true or false", sentence);
  const shapes = optionalField(record, "shapes");
  if (!Array.isArray(shapes)) throw wrongField(mention, "shapes", "a list of shapes", shapes);
  return { texts, sentence, ...readShapes(shapes, file) };
}

/** Sorts shapes as LISA does: `flag` is meaningless, a label with `ignore` in it counts neither way, all else is the target. */
function readShapes(shapes: readonly unknown[], file: string): Pick<Annotation, "polygons" | "ignored"> {
  const polygons: Polygon[] = [];
  const ignored: Polygon[] = [];
  for (const [index, entry] of shapes.entries()) {
    const mention = { file, place: `shapes[${index}]` };
    const shape = recordOf(entry, mention);
    const label = optionalField(shape, "label");
    if (typeof label !== "string") throw wrongField(mention, "label", "text", label);
    if (label.toLowerCase() === "flag") continue;
    const points = optionalField(shape, "points");
    if (!Array.isArray(points) || points.length === 0 || !points.every(isPoint)) {
      throw wrongField(mention, "points", "a list of points [x, y]", points);
    }
    (label.toLowerCase().includes("ignore") ? ignored : polygons).push(points);
  }
  return { polygons, ignored };
}

function isPoint(value: unknown): value is readonly [number, number] {
  return Array.isArray(value) && value.length === 2 && value.every((number) => Number.isFinite(number));
}

/** The smallest box around all points, cut off at the image's edges as LISA's masks are. */
function boxAround(polygons: readonly Polygon[], image: ImageSize, file: string): Box {
  let [x1, y1, x2, y2] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of polygons.flat()) {
    x1 = Math.min(x1, x);
    y1 = Math.min(y1, y);
    x2 = Math.max(x2, x);
    y2 = Math.max(y2, y);
  }
  const box = clipBox([x1, y1, x2, y2], pixels(image));
  if (box[0] < box[2] && box[1] < box[3]) return box;
  throw new VlmR1Error(
    "invalid-data",
    `${file}, shapes: the target reaches from (${x1}, ${y1}) to (${x2}, ${y2}), outside the image of ${image.width}x${image.height} pixels.`,
  );
}

/** What the bytes 0x80 to 0x9f are in Windows-1252; the five that it leaves open stay control characters. */
const UPPER = "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ";

/** Decodes Windows-1252. (Node 20's own decoder of that name decodes Latin-1.) */
export function decodeWindows1252(bytes: Buffer): string {
  return bytes
    .toString("latin1")
    .replace(/[\x80-\x9f]/g, (character) => UPPER[character.charCodeAt(0) - 0x80]!);
}
