import { createRequire } from "node:module";
import { VlmR1Error } from "@vlmr1/core";

/** A shape that scenes are made of. */
export interface SceneIcon {
  /** The noun that questions use: "key". */
  readonly name: string;
  /** A square SVG document in one colour; only its opacity is used, the colour comes from the scene. */
  readonly svg: string;
}

/** A colour word and its RGB value, 0..255. */
export interface SceneColor {
  readonly name: string;
  readonly rgb: readonly [red: number, green: number, blue: number];
}

/** The nouns of the default set and the icons of Fluent Emoji High Contrast that draw them. */
const fluentIcons: Readonly<Record<string, string>> = {
  star: "star",
  heart: "heart-suit",
  anchor: "anchor",
  key: "key",
  bell: "bell",
  umbrella: "umbrella",
  cactus: "cactus",
  rocket: "rocket",
  butterfly: "butterfly",
  gem: "gem-stone",
  crown: "crown",
  moon: "crescent-moon",
};

let twelve: readonly SceneIcon[] | undefined;

/** Twelve shapes that stay distinct at 13 pixels, from Microsoft's Fluent Emoji (MIT). */
export function defaultIcons(): readonly SceneIcon[] {
  return (twelve ??= fluentEmoji(fluentIcons));
}

/** Six colours that stay distinct on any ground. */
export const defaultColors: readonly SceneColor[] = [
  { name: "red", rgb: [214, 39, 40] },
  { name: "green", rgb: [44, 160, 44] },
  { name: "blue", rgb: [40, 70, 220] },
  { name: "yellow", rgb: [235, 205, 20] },
  { name: "purple", rgb: [150, 60, 190] },
  { name: "white", rgb: [245, 245, 245] },
];

/**
 * Icons of Fluent Emoji High Contrast by name, 1,594 to choose from: `fluentEmoji({ bike: "bicycle" })` draws the
 * icon "bicycle" and calls it "bike".
 *
 * @throws VlmR1Error `not-found` when the set has no such icon.
 */
export function fluentEmoji(icons: Readonly<Record<string, string>>): readonly SceneIcon[] {
  const require = createRequire(import.meta.url);
  const set = require("@iconify-json/fluent-emoji-high-contrast/icons.json") as {
    readonly icons: Readonly<Record<string, { readonly body: string }>>;
  };
  return Object.entries(icons).map(([name, icon]) => {
    const body = set.icons[icon]?.body;
    if (body === undefined) {
      throw new VlmR1Error(
        "not-found",
        `Fluent Emoji has no icon "${icon}". Its names are listed at https://icon-sets.iconify.design/fluent-emoji-high-contrast/.`,
      );
    }
    return {
      name,
      svg: `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" color="#000">${body}</svg>`,
    };
  });
}
