import {
  createRng,
  thousand,
  VlmR1Error,
  type Box,
  type Dataset,
  type RgbImage,
  type Sample,
} from "@vlmr1/core";
import { describe, expect, test } from "vitest";
import {
  defaultColors,
  defaultIcons,
  drawScenes,
  fluentEmoji,
  nanoRecipe,
  sceneSplits,
  type ExpressionKind,
  type SceneObject,
  type SceneOptions,
  type SceneTargets,
} from "../../src/index.ts";
import { readExpression } from "./read-expression.ts";

const rng = createRng(20);

async function first<Target>(dataset: Dataset<Target>, count: number): Promise<Sample<Target>[]> {
  return Promise.all(Array.from({ length: count }, (_, i) => dataset.get(i)));
}

const referring = (options: Partial<SceneOptions> = {}): Dataset<SceneTargets["referring"]> =>
  drawScenes({ rng, length: 100_000, ...options });

const kinds: readonly ExpressionKind[] = ["attribute", "ordinal", "superlative", "relation", "two-hop"];

describe("drawScenes", () => {
  test("gives the same sample for the same stream and index, in any order", async () => {
    const content = ({ images, ...rest }: Sample): object => ({
      ...rest,
      images: images.map(({ data }) => Buffer.from(data).toString("base64")),
    });
    const [third, once] = [content(await referring().get(3)), referring()];
    expect(content(await once.get(7))).toEqual(content(await referring().get(7)));
    expect(content(await once.get(3))).toEqual(third);
    expect(content(await referring({ rng: createRng(21) }).get(3))).not.toEqual(third);
  });

  test.each(kinds)("%s: the words, read independently, pick the target and only the target", async (kind) => {
    for (const everyWordNeeded of [true, false]) {
      const count = kind === "two-hop" ? 40 : 250;
      for (const { target, group } of await first(
        referring({ kinds: { [kind]: 1 }, everyWordNeeded }),
        count,
      )) {
        expect(group).toBe(kind);
        const found = readExpression(target.expression, target.scene);
        expect([target.expression, found?.box]).toEqual([target.expression, target.box]);
      }
    }
  });

  test.each(kinds)("%s: no word can be left out", async (kind) => {
    for (const { target } of await first(
      referring({ kinds: { [kind]: 1 } }),
      kind === "two-hop" ? 40 : 250,
    )) {
      for (const shorter of withoutOneWord(target.expression)) {
        const found = readExpression(shorter, target.scene)?.box;
        expect([shorter, found]).not.toEqual([shorter, target.box]);
      }
    }
  });

  test.each(["ordinal", "superlative", "relation"] as const)(
    "%s: names, colours and things are asked for alike",
    async (kind) => {
      const samples = await first(referring({ kinds: { [kind]: 1 } }), 240);
      const share = (words: readonly string[]): number =>
        samples.filter(({ prompt }) =>
          words.some((word) => prompt.split(/ (?:left|right) of | above | below /)[0]!.includes(word)),
        ).length / 240;
      // A third each; 4 standard errors are 0.12.
      const colors = share(defaultColors.map(({ name }) => name));
      expect(Math.abs(share(defaultIcons().map(({ name }) => name)) - 1 / 3)).toBeLessThan(0.12);
      expect(Math.abs(colors - 1 / 3)).toBeLessThan(0.12);
      expect(Math.abs(share(["thing"]) - colors - 1 / 3)).toBeLessThan(0.17);
    },
  );

  test("boxes are exactly the visible pixels, objects do not touch", async () => {
    for (const { images, target } of await first(referring({ ground: "plain" }), 200)) {
      const { objects } = target.scene;
      for (const [i, object] of objects.entries()) {
        const ground = backgroundOf(images[0]!, objects);
        // A pixel belongs to its object from an opacity of 17 of 255 on: between 22 and 12 the 8-bit colours cannot
        // tell.
        expect(isInside(visibleBox(images[0]!, object, ground, 22), object.box)).toBe(true);
        expect(isInside(object.box, visibleBox(images[0]!, object, ground, 12))).toBe(true);
        expect(objects.slice(i + 1).every((other) => isApart(object.box, other.box))).toBe(true);
      }
    }
  });

  test("draws the recipe's shares of kinds and numbers of objects", async () => {
    const samples = await first(referring({ everyWordNeeded: false }), 3000);
    const share = (kind: string): number =>
      samples.filter(({ group }) => group === kind).length / samples.length;
    // 4 standard errors of a share at n = 3000 are below 0.036.
    expect(Math.abs(share("attribute") - 0.38)).toBeLessThan(0.036);
    expect(Math.abs(share("ordinal") - 0.21)).toBeLessThan(0.036);
    expect(Math.abs(share("superlative") - 0.09)).toBeLessThan(0.036);
    expect(Math.abs(share("relation") - 0.32)).toBeLessThan(0.036);
    expect(new Set(samples.map(({ target }) => target.scene.objects.length))).toEqual(new Set([3, 4]));
    const sides = samples.flatMap(({ target }) => target.scene.objects.map(({ box }) => longestSide(box)));
    expect(Math.min(...sides)).toBeGreaterThanOrEqual(10);
    expect(Math.max(...sides)).toBeLessThanOrEqual(26);
  });

  test("uses all words of its vocabulary, and no other", async () => {
    const allowed = new Set(
      "the thing from left right top bottom leftmost rightmost topmost bottommost second largest smallest of above below".split(
        " ",
      ),
    );
    for (const { name } of [...defaultIcons(), ...defaultColors]) allowed.add(name);
    const used = new Set<string>();
    for (const { prompt } of await first(referring({ everyWordNeeded: false }), 1500)) {
      for (const word of prompt.split(" ")) used.add(word);
    }
    expect(used).toEqual(allowed);
  });

  test("writes good answers in the frame that the model speaks, rounded like Python", async () => {
    const samples = await first(referring({ answerFrame: thousand, everyWordNeeded: false }), 500);
    for (const { answer, target } of samples) {
      const numbers = JSON.parse(/<answer> (.*) <\/answer>$/.exec(answer!)![1]!) as { bbox_2d: number[] };
      // A multiple of 1000 / 64 = 15.625 ends in .5 for every fourth pixel; Python's round goes to the even
      // neighbour there.
      const python = target.box.map((v) =>
        v % 8 === 4 ? 2 * Math.round((v * 1000) / 128) : Math.round((v * 1000) / 64),
      );
      expect(numbers.bbox_2d).toEqual(python);
    }
    expect(samples[0]!.answer).toMatchInlineSnapshot(
      `"<think> green butterfly upper center </think> <answer> {"bbox_2d": [391, 0, 609, 203]} </answer>"`,
    );
  });

  test("pixels outside the boxes are ground, whatever the ground", async () => {
    for (const ground of ["plain", "gradient", "smooth", "noisy", "striped"] as const) {
      const { images } = await referring({ ground }).get(0);
      expect(images[0]!.data.length).toBe(64 * 64 * 3);
    }
    const [plain, gradient, noisy] = await Promise.all(
      (["plain", "gradient", "noisy"] as const).map(async (ground) =>
        roughness((await referring({ ground }).get(1)).images[0]!),
      ),
    );
    expect(plain).toBeLessThan(gradient!);
    expect(gradient).toBeLessThan(noisy!);
  });

  test("every object shows on its ground, unless the recipe's own scenes are asked for", async () => {
    const contrasts = async (options: Partial<SceneOptions>): Promise<number[]> =>
      (await first(referring({ ground: "plain", ...options }), 150)).flatMap(({ images, target }) => {
        const { objects } = target.scene;
        const ground = backgroundOf(images[0]!, objects);
        return objects.map(({ color }) =>
          distance(defaultColors.find(({ name }) => name === color)!.rgb, ground),
        );
      });
    // Colours are jittered by up to 15 in each channel, which moves them by up to 26.
    expect(Math.min(...(await contrasts({})))).toBeGreaterThan(70 - 26);
    expect(Math.min(...(await contrasts(nanoRecipe)))).toBeLessThan(70 - 26);
  });

  test("refuses impossible options and indices with the value it found", async () => {
    const refused = (options: Partial<SceneOptions>): string => {
      try {
        referring(options);
      } catch (error) {
        if (VlmR1Error.is(error, "invalid-argument")) return error.message;
        throw error;
      }
      throw new Error("nothing was thrown");
    };
    expect(refused({ length: -1 })).toMatchInlineSnapshot(
      `"Cannot draw scenes: length must be a non-negative integer, got -1."`,
    );
    expect(refused({ size: { width: 64, height: 0 } })).toMatchInlineSnapshot(
      `"Cannot draw scenes: size must be integers of 8..8192 pixels, got 64x0."`,
    );
    expect(refused({ objects: [4, 3] })).toMatchInlineSnapshot(
      `"Cannot draw scenes: objects must be [low, high] with integers 1 <= low <= high, got [4, 3]."`,
    );
    expect(refused({ kinds: { ordinal: 0 } })).toMatchInlineSnapshot(
      `"Cannot draw scenes: kinds must be shares of at least 0 with one above 0, got {"ordinal":0}."`,
    );
    expect(refused({ objectSizes: [[0.5, 1.2]] })).toMatchInlineSnapshot(
      `"Cannot draw scenes: objectSizes must be ranges with 0 < low <= high <= 1, got [0.5, 1.2]."`,
    );
    expect(refused({ icons: [] })).toMatchInlineSnapshot(`"Cannot draw scenes: icons must not be empty."`);
    await expect(referring({ length: 3 }).get(3)).rejects.toThrow(
      "Sample 3 does not exist: indices are 0..2.",
    );
    await expect(referring({ objects: [40, 40] }).get(0)).rejects.toThrow("Ask for other kinds");
    expect(() => fluentEmoji({ zebra: "no-such-icon" })).toThrow('Fluent Emoji has no icon "no-such-icon"');
  });

  test("draws other icons, larger pictures and prompts of the caller's own", async () => {
    const dataset = referring({
      size: { width: 320, height: 200 },
      objects: [6, 8],
      objectSizes: [[0.15, 0.25]],
      icons: fluentEmoji({ bicycle: "bicycle", apple: "red-apple", dog: "dog-face", teapot: "teapot" }),
      pairs: "all",
      prompt: (question) => `Find ${question}.`,
      name: "icons",
    });
    for (const { id, prompt, images, target } of await first(dataset, 20)) {
      expect(id).toMatch(/^icons\/\d+$/);
      expect(prompt).toBe(`Find ${target.expression}.`);
      expect([images[0]!.width, images[0]!.height]).toEqual([320, 200]);
      expect(target.scene.objects.length).toBeGreaterThanOrEqual(6);
    }
  });
});

describe("questions", () => {
  test("counting: the answer is the number of objects that fit, and no word can be left out", async () => {
    const samples = await first(drawScenes({ rng, length: 1000, task: "counting" }), 300);
    const answers = new Set(samples.map(({ target }) => target.answer));
    for (const answer of [0, 1, 2]) expect(answers.has(answer)).toBe(true);
    for (const { prompt, target } of samples) {
      const words = /^how many (.*) are there\?$/.exec(prompt)![1]!.split(" ");
      const count = (phrase: readonly string[]): number =>
        target.scene.objects.filter((o) => phrase.every((word) => word === o.color || singular(word, o.name)))
          .length;
      expect([prompt, count(words)]).toEqual([prompt, target.answer]);
      const needed = words.filter((word) => word !== "things");
      const shorter = needed.length === 2 ? needed.map((word) => [word]) : [[]];
      for (const phrase of shorter) expect([prompt, count(phrase)]).not.toEqual([prompt, target.answer]);
    }
  });

  test("yes-no: half are no, and near misses are in the picture", async () => {
    const samples = await first(drawScenes({ rng, length: 1000, task: "yes-no" }), 600);
    const yes = samples.filter(({ target }) => target.answer === "yes").length;
    expect(Math.abs(yes - 300)).toBeLessThan(50);
    for (const { prompt, target } of samples) {
      const words = /^is there an? (.*)\?$/
        .exec(prompt)![1]!
        .split(" ")
        .filter((word) => word !== "thing");
      const hits = target.scene.objects.map(
        (o) => words.filter((word) => word === o.color || word === o.name).length,
      );
      expect([prompt, hits.includes(words.length)]).toEqual([prompt, target.answer === "yes"]);
      expect(words.length === 1 || hits.includes(1)).toBe(true);
    }
  });

  test("detection: every object that fits is listed with the words it was asked with, absent ones are None", async () => {
    const samples = await first(drawScenes({ rng, length: 1000, task: "detection" }), 300);
    expect(samples.some(({ target }) => target.objects.length === 0)).toBe(true);
    for (const { prompt, answer, target } of samples) {
      const labels = prompt.replace(/^detect every /, "").split(" and every ");
      const truth = labels.flatMap((label) =>
        target.scene.objects
          .filter((o) => label.split(" ").every((word) => [o.color, o.name, "thing"].includes(word)))
          .map(({ box }) => ({ box, label })),
      );
      expect(target.objects).toEqual(truth);
      expect(answer!.includes("<answer> None </answer>")).toBe(truth.length === 0);
    }
  });
});

describe("sceneSplits", () => {
  const heldOut = defaultIcons().map(({ name }, i) => `${defaultColors[(i * 5 + 1) % 6]!.name} ${name}`);
  const pair = ({ color, name }: SceneObject): string => `${color} ${name}`;

  test("training never shows a held-out pair; its split always asks about one", async () => {
    const seen = (await first(referring(), 500)).flatMap(({ target }) => target.scene.objects.map(pair));
    expect(heldOut.filter((name) => seen.includes(name))).toEqual([]);
    expect(new Set(seen).size).toBe(60);
    for (const { target } of await first(referring(sceneSplits["held-out-pairs"]), 300)) {
      const pairs = target.scene.objects.map(pair);
      const asked = target.scene.objects.findIndex(({ box }) => box === target.box);
      expect(heldOut).toContain(pairs[asked]);
      expect(pairs.filter((name) => heldOut.includes(name))).toHaveLength(1);
    }
  });

  test("more-objects shows five or six, two-hop asks only chains, other-sizes uses sizes unseen in training", async () => {
    const more = await first(referring(sceneSplits["more-objects"]), 100);
    expect(new Set(more.map(({ target }) => target.scene.objects.length))).toEqual(new Set([5, 6]));
    const chains = await first(referring(sceneSplits["two-hop"]), 30);
    expect(chains.every(({ prompt }) => prompt.match(/left of|right of|above|below/g)!.length === 2)).toBe(
      true,
    );
    const sizes = (await first(referring(sceneSplits["other-sizes"]), 200)).flatMap(({ target }) =>
      target.scene.objects.map(({ box }) => longestSide(box)),
    );
    expect(sizes.every((side) => side <= 11 || (side > 13 && side <= 18) || side >= 26)).toBe(true);
  });

  test("other-style darkens parts of the objects and leaves the ground and the boxes alone", async () => {
    const filled = await referring({ ground: "plain" }).get(5);
    const hatched = await referring({ ground: "plain", ...sceneSplits["other-style"] }).get(5);
    expect(hatched.target).toEqual(filled.target);
    const changed = [...filled.images[0]!.data.keys()].filter(
      (i) => filled.images[0]!.data[i] !== hatched.images[0]!.data[i],
    );
    expect(changed.length).toBeGreaterThan(200);
    expect(changed.every((i) => hatched.images[0]!.data[i]! < filled.images[0]!.data[i]!)).toBe(true);
  });
});

function withoutOneWord(expression: string): string[] {
  const words = expression.split(" ");
  const drop = (i: number, replacement?: string): string =>
    words
      .with(i, replacement ?? "")
      .filter(Boolean)
      .join(" ");
  const colors = words.flatMap((word, i) =>
    defaultColors.some(({ name }) => name === word) ? [drop(i)] : [],
  );
  const nouns = words.flatMap((word, i) =>
    defaultIcons().some(({ name }) => name === word) ? [drop(i, "thing")] : [],
  );
  const adjective = expression.replace(
    /^the (?:\w+most|second|largest|smallest) (.*?)(?: from the \w+)?$/,
    "the $1",
  );
  const clause = expression.replace(/ (?:left of|right of|above|below) .*$/, "");
  return [...colors, ...nouns, adjective, clause].filter((text) => text !== expression);
}

function backgroundOf(image: RgbImage, objects: readonly SceneObject[]): readonly number[] {
  for (let i = 0; ; i++) {
    const [x, y] = [i % image.width, Math.floor(i / image.width)];
    const margin = 4; // faint pixels may surround an object
    if (
      objects.some(
        ({ box }) => x > box[0] - margin && x < box[2] + margin && y > box[1] - margin && y < box[3] + margin,
      )
    ) {
      continue;
    }
    return [...image.data.subarray(i * 3, i * 3 + 3)];
  }
}

/** The box of pixels in and around an object that differ from the ground as much as one of the given opacity does. */
function visibleBox(image: RgbImage, { box }: SceneObject, ground: readonly number[], opacity: number): Box {
  let [x1, y1, x2, y2] = [Infinity, Infinity, 0, 0];
  const strongest = Math.max(...differences(image, box, ground));
  for (let y = Math.max(0, box[1] - 1); y < Math.min(image.height, box[3] + 1); y++) {
    for (let x = Math.max(0, box[0] - 1); x < Math.min(image.width, box[2] + 1); x++) {
      const [difference] = differences(image, [x, y, x + 1, y + 1], ground);
      if (difference! < (strongest * opacity) / 255) continue;
      [x1, y1, x2, y2] = [Math.min(x1, x), Math.min(y1, y), Math.max(x2, x + 1), Math.max(y2, y + 1)];
    }
  }
  return [x1, y1, x2, y2];
}

function isInside(inner: Box, outer: Box): boolean {
  return inner[0] >= outer[0] && inner[1] >= outer[1] && inner[2] <= outer[2] && inner[3] <= outer[3];
}

function differences(image: RgbImage, box: Box, ground: readonly number[]): number[] {
  const result: number[] = [];
  for (let y = box[1]; y < box[3]; y++) {
    for (let x = box[0]; x < box[2]; x++) {
      const at = (y * image.width + x) * 3;
      result.push(Math.max(...ground.map((value, c) => Math.abs(image.data[at + c]! - value))));
    }
  }
  return result;
}

function distance(a: readonly number[], b: readonly number[]): number {
  return Math.hypot(...a.map((value, i) => value - b[i]!));
}

function isApart(a: Box, b: Box): boolean {
  return a[0] > b[2] || b[0] > a[2] || a[1] > b[3] || b[1] > a[3];
}

function longestSide(box: Box): number {
  return Math.max(box[2] - box[0], box[3] - box[1]);
}

function roughness({ width, data }: RgbImage): number {
  let sum = 0;
  for (let i = 3; i < width * 3 * 4; i++) sum += Math.abs(data[i]! - data[i - 3]!);
  return sum;
}

function singular(word: string, name: string): boolean {
  return (
    word === "things" || word === `${name}s` || word === `${name}es` || word === `${name.slice(0, -1)}ies`
  );
}
