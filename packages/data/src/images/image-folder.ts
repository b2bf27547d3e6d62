import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { VlmR1Error, type ImageSize, type RgbImage } from "@vlmr1/core";
import { invalidData, resolveInside, type Mention } from "@vlmr1/core/files";
import { loadImage, storedSize, type LoadImageOptions } from "./load-image.ts";

/** A folder of images that are opened by the names annotations give them, and never a file outside. */
export interface ImageFolder {
  readonly path: string;
  /**
   * The path of the image `name`. @throws VlmR1Error `invalid-data` when the name is no string or leaves the folder.
   * (Links inside the folder are followed: they are the user's own.)
   */
  resolve(name: unknown, mention: Mention): string;
  /** Decodes the image at a path that `resolve` gave. @throws VlmR1Error that names the record and the image. */
  load(path: string, mention: Mention): Promise<RgbImage>;
}

/** Opens a folder of images. @throws VlmR1Error `not-found` when there is no such folder. */
export async function openImageFolder(folder: string, options: LoadImageOptions = {}): Promise<ImageFolder> {
  const root = resolve(folder);
  const found = await stat(root).catch(() => undefined);
  if (!found?.isDirectory()) {
    throw new VlmR1Error(
      "not-found",
      `There is no image folder at ${folder}. Name the folder that the image names are relative to.`,
    );
  }
  return {
    path: root,
    resolve: (name, mention) => resolveInside(root, name, mention),
    async load(path, mention) {
      try {
        return await loadImage(path, options);
      } catch (error) {
        throw atPlace(error, mention);
      }
    },
  };
}

/**
 * Decodes an image and compares its size with the annotations': boxes of another size would be silently wrong.
 *
 * @throws VlmR1Error that says whether the picture is stored rotated, and how to leave it so.
 */
export async function loadSizedImage(
  folder: ImageFolder,
  path: string,
  wanted: ImageSize,
  mention: Mention,
): Promise<RgbImage> {
  const image = await folder.load(path, mention);
  if (image.width === wanted.width && image.height === wanted.height) return image;
  const stored = await storedSize(path).catch(() => image);
  const isTurned = stored.width === wanted.width && stored.height === wanted.height;
  throw invalidData({
    ...mention,
    problem:
      `the image ${path} has ${image.width}x${image.height} pixels and the file says ${wanted.width}x${wanted.height}, so its boxes ` +
      (isTurned
        ? "would be wrong. The picture is turned upright as its EXIF orientation says, and the annotations count in the pixels " +
          "as they are stored: switch the rotation off (exifRotation: false)"
        : "would be wrong. Use the images that the annotations were made for"),
  });
}

/** Puts the record in front of an error about its image. */
export function atPlace(error: unknown, { file, place }: Mention): unknown {
  if (!VlmR1Error.is(error)) return error;
  return new VlmR1Error(error.code, `${file}, ${place}: ${error.message}`, { cause: error });
}

const atOnce = 64;

/** Which of these files do not exist. */
export async function missingFiles(paths: readonly string[]): Promise<Set<string>> {
  const missing = new Set<string>();
  for (let start = 0; start < paths.length; start += atOnce) {
    const group = paths.slice(start, start + atOnce);
    const found = await Promise.all(
      group.map((path) =>
        stat(path).then(
          (entry) => entry.isFile(),
          () => false,
        ),
      ),
    );
    group.forEach((path, index) => found[index] || missing.add(path));
  }
  return missing;
}

/** The error for an image file that is not there. */
export function missingImage(path: string, mention: Mention): VlmR1Error {
  return new VlmR1Error("not-found", `${mention.file}, ${mention.place}: there is no image at ${path}.`);
}
