import { VlmR1Error, type ImageSize, type RewardInput, type ScoredSample } from "@vlmr1/core";
import { createReadStream } from "node:fs";
import { dirname, resolve } from "node:path";
import { createInterface } from "node:readline";
import sharp from "sharp";

/**
 * Reads completions to score, one JSON object a line: `completion`, `target`, and optionally `image` (a file, or its width and height),
 * `id`, `prompt`, `tokenCount`, `truncated`, `step`.
 *
 * A target may be the object that the reward reads, or just its content: a box, a list of objects, a text, a number.
 *
 * @throws VlmR1Error naming file and line.
 */
export async function* scoredLines(file: string): AsyncGenerator<RewardInput> {
  const stream = createReadStream(file);
  const opened = new Promise<void>((done, fail) => {
    stream.once("open", () => done());
    stream.once("error", (cause) => fail(new VlmR1Error("not-found", `Cannot read ${file}.`, { cause })));
  });
  await opened;
  let number = 0;
  for await (const text of createInterface({ input: stream, crlfDelay: Infinity })) {
    number++;
    if (text.trim() === "") continue;
    yield await lineInput(text, `${file}, line ${number}`, number, dirname(file));
  }
}

async function lineInput(text: string, place: string, number: number, folder: string): Promise<RewardInput> {
  let line: unknown;
  try {
    line = JSON.parse(text);
  } catch (cause) {
    throw new VlmR1Error("invalid-data", `${place} is not JSON: ${(cause as Error).message}.`, { cause });
  }
  const { completion, target, image, id, prompt, tokenCount, truncated, step } = (line ?? {}) as Record<
    string,
    unknown
  >;
  if (typeof completion !== "string") {
    throw new VlmR1Error(
      "invalid-data",
      `${place}: "completion" must be the text that the model wrote, got ${JSON.stringify(completion)}.`,
    );
  }
  const sample: ScoredSample = {
    id: typeof id === "string" ? id : `line ${number}`,
    prompt: typeof prompt === "string" ? prompt : "",
    images: image === undefined || image === null ? [] : [await imageSize(image, place, folder)],
    target: asTarget(target),
  };
  return {
    completion,
    sample,
    ...(typeof tokenCount === "number" && { tokenCount }),
    ...(typeof truncated === "boolean" && { truncated }),
    ...(typeof step === "number" && { step }),
  };
}

/** The object that rewards read. Text serves both as an answer and as VLM-R1's solution. */
export function asTarget(target: unknown): unknown {
  if (typeof target === "string") return { answer: target, solution: target };
  if (typeof target === "number") return { answer: target };
  if (!Array.isArray(target)) return target;
  const isNumbers = target.length > 0 && target.every((value) => typeof value === "number");
  if (isNumbers) return target.length === 2 ? { point: target } : { box: target };
  return { objects: target.map(asObject) };
}

/** `{bbox_2d, label}` as models write it is accepted beside `{box, label}`. */
function asObject(value: unknown): unknown {
  if (typeof value !== "object" || value === null || "box" in value) return value;
  const { bbox_2d: box, bbox, ...rest } = value as Record<string, unknown>;
  return { ...rest, box: box ?? bbox };
}

async function imageSize(image: unknown, place: string, folder: string): Promise<ImageSize> {
  if (Array.isArray(image) && image.length === 2)
    return imageSize({ width: image[0], height: image[1] }, place, folder);
  if (typeof image === "object" && image !== null) {
    const { width, height } = image as Partial<ImageSize>;
    if (Number(width) > 0 && Number(height) > 0) return { width: Number(width), height: Number(height) };
  }
  if (typeof image === "string") {
    try {
      const { autoOrient } = await sharp(resolve(folder, image)).metadata();
      return { width: autoOrient.width, height: autoOrient.height };
    } catch (cause) {
      throw new VlmR1Error(
        "invalid-data",
        `${place}: the image ${image} cannot be read: ${(cause as Error).message}.`,
        { cause },
      );
    }
  }
  throw new VlmR1Error(
    "invalid-data",
    `${place}: "image" is a file name or {"width", "height"}, got ${JSON.stringify(image)}.`,
  );
}
