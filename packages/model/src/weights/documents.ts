import { type FileHandle, open, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, sep } from "node:path";
import { showValue, VlmR1Error } from "@vlmr1/core";
import { parseJson } from "@vlmr1/core/files";
import { z } from "zod";

/** A folder with the files of one checkpoint. Nothing outside it is ever opened, whatever its files say. */
export interface ModelFolder {
  readonly path: string;
  /** Whether the folder has a regular file of this name. */
  has(name: string): Promise<boolean>;
  /** The file as text, or undefined when there is none. Throws `VlmR1Error` (`limit`) above 256 MB. */
  text(name: string): Promise<string | undefined>;
  /** The file as parsed JSON, or undefined when there is none. Throws `VlmR1Error`: `invalid-data` for text that is not JSON, `limit` for more than 512 levels. */
  json(name: string): Promise<unknown>;
  /** Opens a file for reading. Throws `VlmR1Error` (`not-found`) when there is none. The caller closes it. */
  open(name: string): Promise<FileHandle>;
}

/** Configurations and vocabularies are far smaller; more would be an attack or a mistake. */
const MAX_TEXT_BYTES = 256 * 2 ** 20;

/**
 * Opens a checkpoint folder. Links may point inside the folder or, in the cache of the Hugging Face hub (`snapshots/<revision>/x
 * -> ../../blobs/<hash>`), into the `blobs` beside it.
 *
 * @throws VlmR1Error `not-found` when there is no such folder.
 */
export async function openModelFolder(path: string): Promise<ModelFolder> {
  const root = await realpath(path).catch(() => undefined);
  if (root === undefined || !(await stat(root)).isDirectory()) {
    throw new VlmR1Error(
      "not-found",
      `There is no model folder at "${path}". Give the folder that holds config.json.`,
    );
  }
  const roots = [root, ...hubBlobs(root)];
  const locate = (name: string) => locateFile(root, roots, name);
  const has = async (name: string): Promise<boolean> => (await locate(name)) !== undefined;
  const openFile = async (name: string): Promise<FileHandle> => {
    const file = await locate(name);
    if (file === undefined)
      throw new VlmR1Error("not-found", `The model folder "${path}" has no file "${name}".`);
    return open(file, "r");
  };
  const text = async (name: string): Promise<string | undefined> => {
    const file = await locate(name);
    return file === undefined ? undefined : readText(file, name);
  };
  const json = async (name: string): Promise<unknown> => {
    const content = await text(name);
    if (content === undefined) return undefined;
    return parseJson(content.startsWith("\uFEFF") ? content.slice(1) : content, { file: name });
  };
  return { path: root, has, text, json, open: openFile };
}

/** The folder of blobs that a snapshot in the hub's cache links to; empty for any other folder. */
function hubBlobs(root: string): string[] {
  const snapshots = dirname(root);
  const repository = dirname(snapshots);
  const isSnapshot = basename(snapshots) === "snapshots" && basename(repository).startsWith("models--");
  return isSnapshot ? [join(repository, "blobs")] : [];
}

async function locateFile(root: string, roots: readonly string[], name: string): Promise<string | undefined> {
  if (name === "" || name === "." || name === ".." || /[/\\\0]/.test(name)) {
    throw new VlmR1Error(
      "invalid-data",
      `The model folder names the file ${JSON.stringify(name)}; only plain file names inside the folder are allowed.`,
    );
  }
  const file = await realpath(join(root, name)).catch(() => undefined);
  if (file === undefined || !(await stat(file)).isFile()) return undefined;
  if (roots.some((folder) => file.startsWith(folder + sep))) return file;
  throw new VlmR1Error(
    "invalid-data",
    `"${name}" in the model folder "${root}" is a link to a file outside of it. Copy the file instead.`,
  );
}

async function readText(file: string, name: string): Promise<string> {
  const handle = await open(file, "r");
  try {
    const { size } = await handle.stat();
    if (size > MAX_TEXT_BYTES) {
      throw new VlmR1Error(
        "limit",
        `"${name}" has ${size} bytes, more than the ${MAX_TEXT_BYTES} that a text file of a model may have.`,
      );
    }
    return await handle.readFile("utf8");
  } finally {
    await handle.close();
  }
}

/** The documents of a checkpoint beside its weights, parsed; the names are those of the hub. */
export interface ModelFiles {
  /** `config.json` */
  readonly config: unknown;
  /** `generation_config.json` */
  readonly generationConfig?: unknown;
  /** `preprocessor_config.json` */
  readonly preprocessorConfig?: unknown;
  /** `processor_config.json` */
  readonly processorConfig?: unknown;
  /** `tokenizer.json` */
  readonly tokenizer: unknown;
  /** `tokenizer_config.json` */
  readonly tokenizerConfig?: unknown;
  /** Text of `chat_template.jinja` */
  readonly chatTemplate?: string | undefined;
}

/**
 * Validates `value` with `schema`. `file` names the document in the error.
 *
 * Throws `VlmR1Error` (`invalid-data`) that names the first field that does not fit and what was found there.
 */
export function parseConfig<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  file: string,
): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = issue?.path ?? [];
  const field = path.length === 0 ? "the document" : path.join(".");
  const found = showValue(path.reduce<unknown>(step, value));
  throw new VlmR1Error(
    "invalid-data",
    `${file}: ${field} is ${found}: ${issue?.message ?? "not understood"}. Compare it with the original checkpoint's file.`,
  );
}

function step(value: unknown, key: PropertyKey): unknown {
  return typeof value === "object" && value !== null
    ? (value as Record<PropertyKey, unknown>)[key]
    : undefined;
}

/** Throws `VlmR1Error` (`invalid-data`) with the first problem that is true. */
export function checkConfig(problems: readonly (readonly [wrong: boolean, what: string])[]): void {
  const found = problems.find(([wrong]) => wrong);
  if (found)
    throw new VlmR1Error(
      "invalid-data",
      `config.json: ${found[1]}. Compare it with the original checkpoint's file.`,
    );
}

/** The same for documents that contradict each other; every problem names its document. */
export function checkAgreement(problems: readonly (readonly [wrong: boolean, what: string])[]): void {
  const found = problems.find(([wrong]) => wrong);
  if (found) throw new VlmR1Error("invalid-data", `${found[1]}. The files are of different models.`);
}

/** A width, a number of heads, a number of rows. */
export const dimension = z
  .int()
  .min(1)
  .max(1 << 24);

/** A number of layers; the bound keeps a damaged file from making an endless list of tensors. */
export const layerCount = z.int().min(1).max(1024);

/** An epsilon or a rotary base. */
export const positive = z.number().positive().finite();

/** A token id. */
export const tokenId = z.int().min(0);
