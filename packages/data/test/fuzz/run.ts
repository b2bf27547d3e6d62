import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRng, isBox, VlmR1Error, type Sample } from "@vlmr1/core";
import { formats } from "./formats.ts";
import { mutate } from "./mutate.ts";

/** What came of loading damaged files. */
export interface FuzzReport {
  readonly cases: number;
  /** Ended with a VlmR1Error. */
  refused: number;
  /** Loaded, with some records left out. */
  skipped: number;
  /** Loaded as if nothing were wrong: the damage was where nothing is read, or made another valid file. */
  loaded: number;
  /** Anything else: an error of another kind, a sample that breaks its contract, more than ten seconds. */
  readonly failures: string[];
}

const published = fileURLToPath(new URL("../fixtures/published", import.meta.url));

const LONGEST = 10_000;

/** Loads damaged files, going round the formats: the cases 0 to `count`, or those given. The same seed damages the same bytes. */
export async function fuzz(cases: number | readonly number[], seed: number): Promise<FuzzReport> {
  const indices = typeof cases === "number" ? Array.from({ length: cases }, (_, index) => index) : cases;
  const report: FuzzReport = { cases: indices.length, refused: 0, skipped: 0, loaded: 0, failures: [] };
  const root = await mkdtemp(join(tmpdir(), "vlmr1-fuzz-"));
  await cp(published, root, { recursive: true });
  const originals = new Map<string, Buffer>();
  try {
    for (const index of indices) {
      const format = formats[index % formats.length]!;
      const path = join(root, format.file);
      const original = originals.get(path) ?? (await readFile(path));
      originals.set(path, original);
      const rng = createRng(seed).fork(`case-${index}`);
      await writeFile(path, mutate(original, rng));
      const begun = performance.now();
      const outcome = await attempt(format.load, root, rng.uniform() < 0.5);
      const name = `case ${index} of seed ${seed} (${format.file})`;
      if (performance.now() - begun > LONGEST)
        report.failures.push(`${name}: took ${performance.now() - begun} ms`);
      if (typeof outcome === "string") report.failures.push(`${name}: ${outcome}`);
      else report[outcome.kind]++;
      await writeFile(path, original);
    }
  } finally {
    await rm(root, { recursive: true, force: true });
  }
  return report;
}

type Outcome = { readonly kind: "refused" | "skipped" | "loaded" };

async function attempt(
  load: (typeof formats)[number]["load"],
  root: string,
  skipping: boolean,
): Promise<Outcome | string> {
  try {
    const dataset = await load(root, { onBadSample: skipping ? "skip" : "throw" });
    for (let index = 0; index < Math.min(dataset.length, 6); index++) {
      const broken = brokenContract(await dataset.get(index));
      if (broken !== undefined) return `sample ${index} ${broken}`;
    }
    const skipped = "skipped" in dataset ? dataset.skipped.count : 0;
    return { kind: skipped > 0 ? "skipped" : "loaded" };
  } catch (error) {
    if (VlmR1Error.is(error))
      return error.message.length > 10 ? { kind: "refused" } : "an error without a message";
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}

/** What is wrong with a sample that a loader gave, if anything. */
function brokenContract({ id, prompt, images, target }: Sample<unknown>): string | undefined {
  if (typeof id !== "string" || id === "" || typeof prompt !== "string") return "has no id or prompt";
  for (const { width, height, data } of images) {
    if (!(width > 0 && height > 0 && data.length === width * height * 3))
      return "has an image of the wrong size";
  }
  const {
    box,
    objects = [],
    answer,
    expression,
  } = target as {
    box?: unknown;
    objects?: { box: unknown; label: unknown }[];
    answer?: unknown;
    expression?: unknown;
  };
  if (answer !== undefined && typeof answer !== "string") return "has an answer that is no text";
  if (expression !== undefined && typeof expression !== "string") return "has an expression that is no text";
  if (!objects.every(({ label }) => typeof label === "string")) return "has an object without a name";
  const boxes = [...(box === undefined ? [] : [box]), ...objects.map((object) => object.box)];
  for (const value of boxes) {
    const [image] = images;
    if (!isBox(value) || image === undefined) return `has the box ${JSON.stringify(value)}`;
    if (value[0] < -1 || value[1] < -1 || value[2] > image.width + 1 || value[3] > image.height + 1)
      return "has a box outside its image";
  }
  return undefined;
}
