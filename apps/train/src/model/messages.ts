import { VlmR1Error, type RgbImage, type Box } from "@vlmr1/core";
import { loadImage } from "@vlmr1/data";
import type { Message, PromptRequest } from "@vlmr1/model";
import { readFile, realpath } from "node:fs/promises";
import { dirname, isAbsolute, relative, resolve } from "node:path";
import sharp from "sharp";
import { z } from "zod";

const Part = z.union([
  z.looseObject({ type: z.literal("text"), text: z.string() }),
  z.looseObject({
    type: z.literal("image"),
    image: z.unknown().optional(),
    url: z.unknown().optional(),
    path: z.unknown().optional(),
  }),
]);
const Turn = z.looseObject({ role: z.string(), content: z.union([z.string(), z.array(Part)]) });
const Conversation = z.union([
  z.array(Turn).min(1),
  z.looseObject({ messages: z.array(Turn).min(1), images: z.array(z.string()).optional() }),
]);

/** A conversation from disk, with its pictures decoded in the order of the image parts. */
export interface ReadMessages extends PromptRequest {
  readonly messages: readonly Message[];
  readonly images: readonly RgbImage[];
}

/**
 * Reads messages in the Hugging Face chat form: a list of turns, or `{ "messages": […], "images": [names] }`. Image parts name files
 * (`image`, `path` or `url`) inside `imageFolder`; nothing outside it is opened.
 *
 * @throws VlmR1Error naming the file, the part and what would be right.
 */
export async function readMessages(file: string, imageFolder?: string): Promise<ReadMessages> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new VlmR1Error("not-found", `Cannot read the messages in ${file}.`, { cause });
  });
  const conversation = Conversation.safeParse(parseJson(file, text));
  if (!conversation.success) {
    const issue = conversation.error.issues[0];
    throw new VlmR1Error(
      "invalid-data",
      `${file} is not a conversation (${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}). It is a list of ` +
        '{"role": "user", "content": [{"type": "image", "image": "photo.jpg"}, {"type": "text", "text": "…"}]}.',
    );
  }
  const { messages, images: listed = [] } = Array.isArray(conversation.data)
    ? { messages: conversation.data }
    : conversation.data;
  const named = messages.flatMap(({ content }) =>
    typeof content === "string" ? [] : content.filter((part) => part.type === "image"),
  );
  let next = 0;
  const names = named.map((part, index) => {
    const name = part.image ?? part.path ?? part.url ?? listed[next++];
    if (typeof name === "string") return name;
    throw new VlmR1Error(
      "invalid-data",
      `${file}: image ${index + 1} names no file. Give it as {"type": "image", "image": "photo.jpg"}.`,
    );
  });
  const folder = await realpath(imageFolder ?? dirname(file)).catch((cause: unknown) => {
    throw new VlmR1Error("not-found", `The image folder ${imageFolder} does not exist.`, { cause });
  });
  const images: RgbImage[] = [];
  for (const name of names) images.push(await loadImage(await inside(folder, name)));
  return { messages: messages as Message[], images };
}

/** The path of a file inside a folder; links that lead outside count as outside. */
async function inside(folder: string, name: string): Promise<string> {
  const path = resolve(folder, name);
  const actual = await realpath(path).catch((cause: unknown) => {
    throw new VlmR1Error(
      "not-found",
      `There is no image ${name} in ${folder}. Name the folder with --images.`,
      { cause },
    );
  });
  const way = relative(folder, actual);
  if (way.startsWith("..") || isAbsolute(way)) {
    throw new VlmR1Error(
      "invalid-data",
      `The image ${name} lies outside ${folder}: only files inside it are opened.`,
    );
  }
  return actual;
}

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new VlmR1Error("invalid-data", `${file} is not JSON: ${(cause as Error).message}.`, { cause });
  }
}

/**
 * Writes a picture with boxes drawn in their own pixels: a white halo under a coloured line, thick enough to be seen at any size.
 *
 * @throws VlmR1Error `invalid-argument` when the file cannot be written.
 */
export async function writeAnnotated(image: RgbImage, boxes: readonly Box[], file: string): Promise<void> {
  const { width, height, data } = image;
  const line = Math.max(1, Math.round(Math.max(width, height) / 250));
  const rectangles = boxes.map(([x1, y1, x2, y2]) => {
    const area = `x="${x1}" y="${y1}" width="${Math.max(0, x2 - x1)}" height="${Math.max(0, y2 - y1)}" fill="none"`;
    return `<rect ${area} stroke="white" stroke-width="${line * 2}"/><rect ${area} stroke="#2563eb" stroke-width="${line}"/>`;
  });
  const overlay = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${rectangles.join("")}</svg>`;
  try {
    await sharp(data, { raw: { width, height, channels: 3 } })
      .composite([{ input: Buffer.from(overlay) }])
      .png()
      .toFile(file);
  } catch (cause) {
    throw new VlmR1Error(
      "invalid-argument",
      `Cannot write the picture ${file}: ${(cause as Error).message}.`,
      { cause },
    );
  }
}
