import { isBox, VlmR1Error, type ImageSize, type RewardInput, type ScoredSample } from "@vlmr1/core";
import { readAnswer, readDetections } from "@vlmr1/rewards";
import { createReadStream } from "node:fs";
import { dirname, resolve } from "node:path";
import { createInterface } from "node:readline";
import sharp from "sharp";

/**
 * Reads completions to score, one JSON object a line: `completion`, `target`, and optionally `image` (a file, or its width and height),
 * `id`, `prompt`, `tokenCount`, `truncated`, `step`. Completions and prompts may be lists of messages, as TRL and VLM-R1 write them
 * (`[{"role": "assistant", "content": …}]`): the text of a completion is its last message.
 *
 * A target may be the object that the reward reads, or just its content: a box, a list of objects, a text, a number. Without `target`,
 * VLM-R1's `solution` is read, whose `<answer>` gives the answer and, where it holds boxes, the box or the objects.
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
  const { target, solution, image, id, tokenCount, truncated, step, ...rest } = (line ?? {}) as Record<
    string,
    unknown
  >;
  const completion = messageText(rest["completion"]);
  const prompt = messageText(rest["prompt"] ?? rest["problem"]);
  if (completion === undefined) {
    throw new VlmR1Error(
      "invalid-data",
      `${place}: "completion" must be the text that the model wrote, or messages [{"role", "content"}], got ` +
        `${JSON.stringify(rest["completion"])?.slice(0, 200)}.`,
    );
  }
  const sample: ScoredSample = {
    id: typeof id === "string" ? id : `line ${number}`,
    prompt: prompt ?? "",
    images: image === undefined || image === null ? [] : [await imageSize(image, place, folder)],
    target:
      target === undefined && typeof solution === "string" ? solutionTarget(solution) : asTarget(target),
  };
  return {
    completion,
    sample,
    ...(typeof tokenCount === "number" && { tokenCount }),
    ...(typeof truncated === "boolean" && { truncated }),
    ...(typeof step === "number" && { step }),
  };
}

/** The text of a string, or of the last of several messages, whose content may be parts `{"type": "text", "text"}`. */
function messageText(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  const last: unknown = Array.isArray(value) ? value.at(-1) : undefined;
  const content: unknown =
    typeof last === "object" && last !== null ? (last as { content?: unknown }).content : undefined;
  if (!Array.isArray(content)) return typeof content === "string" ? content : undefined;
  const texts = (content as { text?: unknown }[])
    .map((part) => part?.text)
    .filter((text) => typeof text === "string");
  return texts.length > 0 ? texts.join("") : undefined;
}

/** What VLM-R1's `solution` says: its text for the published rules, and what its `<answer>` holds for all others. */
function solutionTarget(solution: string): unknown {
  const answer = readAnswer(solution).trim();
  const objects = readDetections(answer).filter(({ box }) => isBox(box));
  const [only] = objects;
  return {
    answer,
    solution,
    ...(objects.length === 1 && { box: only?.box }),
    ...((objects.some(({ label }) => label !== "") || answer === "None") && {
      objects: objects.map(({ box, label }) => ({ box, label })),
    }),
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
