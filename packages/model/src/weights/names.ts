import { runInNewContext } from "node:vm";
import { VlmR1Error } from "@vlmr1/core";
import type { Architecture } from "../network/architecture.ts";
import { HEAD_WEIGHT } from "../network/head.ts";
import type { TensorSpec } from "../network/tensors.ts";
import type { StoredTensor } from "./checkpoint.ts";

/** Start of a checkpoint name and what it becomes; the first rule that matches wins. */
export interface Rename {
  readonly from: string;
  readonly to: string;
}

/** Canonical name of a tensor in a file: the first rule that matches is applied. */
export function canonicalName(stored: string, renames: readonly Rename[]): string {
  const rule = renames.find(({ from }) => stored.startsWith(from));
  return rule ? rule.to + stored.slice(rule.from.length) : stored;
}

/** The inverse of `canonicalName`: what releases with the old names called a parameter. */
export function storedName(canonical: string, renames: readonly Rename[]): string {
  const rule = renames.find(({ from, to }) => from !== to && canonical.startsWith(to));
  return rule ? rule.from + canonical.slice(rule.to.length) : canonical;
}

/** Buffers that old releases wrote although they are computed, not learned. */
const COMPUTED_SUFFIXES = ["rotary_emb.inv_freq", "position_ids"];

/** How many names an error lists. */
const LISTED = 8;

/**
 * Finds every parameter of `tensors` among the `stored` tensors: canonical name to name in the file. Only names and shapes are
 * looked at.
 *
 * @throws VlmR1Error `invalid-data` that names the tensors which are missing, of another shape, or not part of the model.
 */
export function matchTensors(
  tensors: readonly TensorSpec[],
  stored: ReadonlyMap<string, StoredTensor>,
  renames: readonly Rename[],
): Map<string, string> {
  const byCanonical = new Map<string, string>();
  for (const name of stored.keys()) {
    const canonical = canonicalName(name, renames);
    const other = byCanonical.get(canonical);
    if (other !== undefined)
      throw new VlmR1Error(
        "invalid-data",
        `The checkpoint stores "${canonical}" twice, as "${other}" and "${name}".`,
      );
    byCanonical.set(canonical, name);
  }
  const expected = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const missing = [...expected.keys()].filter((name) => !byCanonical.has(name));
  const surplus = [...byCanonical].filter(
    ([canonical]) => !expected.has(canonical) && !isComputed(canonical),
  );
  if (missing.length > 0 || surplus.length > 0)
    throw mismatch(
      missing,
      surplus.map(([, name]) => name),
    );
  const places = new Map<string, string>();
  for (const { name, shape } of tensors) {
    const place = byCanonical.get(name)!;
    const found = stored.get(place)!.shape;
    if (!sameShape(shape, found)) {
      throw new VlmR1Error(
        "invalid-data",
        `Tensor "${place}" of the checkpoint has the shape [${found.join(", ")}], config.json asks for [${shape.join(", ")}].`,
      );
    }
    places.set(name, place);
  }
  return places;
}

/**
 * The architecture with the output head that the file has. The file decides, as in transformers 5: with `lm_head.weight` the head
 * is its own; without it, it is the embedding, unless `config` says in so many words that the head is not tied.
 */
export function withStoredHead(
  architecture: Architecture,
  config: unknown,
  stored: ReadonlyMap<string, StoredTensor>,
  renames: readonly Rename[],
): Architecture {
  const { decoder } = architecture;
  const hasHead = [...stored.keys()].some((name) => canonicalName(name, renames) === HEAD_WEIGHT);
  if (hasHead !== decoder.tiedHead || (!hasHead && saysUntied(config))) return architecture;
  const others = architecture.tensors.filter(({ name }) => name !== HEAD_WEIGHT);
  const head = { name: HEAD_WEIGHT, shape: [decoder.vocabularySize, decoder.hiddenSize] };
  return {
    ...architecture,
    decoder: { ...decoder, tiedHead: !hasHead },
    tensors: hasHead ? [...others, head] : others,
  };
}

function saysUntied(config: unknown): boolean {
  const outer = (config ?? {}) as {
    tie_word_embeddings?: unknown;
    text_config?: { tie_word_embeddings?: unknown } | null;
  };
  return outer.tie_word_embeddings === false || outer.text_config?.tie_word_embeddings === false;
}

function isComputed(name: string): boolean {
  return COMPUTED_SUFFIXES.some((suffix) => name.endsWith(suffix));
}

/** Whether two shapes are equal. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

function mismatch(missing: readonly string[], surplus: readonly string[]): VlmR1Error {
  const parts = [
    ...(missing.length > 0 ? [`lacks ${missing.length} tensors: ${list(missing)}`] : []),
    ...(surplus.length > 0
      ? [`has ${surplus.length} tensors that are not part of the model: ${list(surplus)}`]
      : []),
  ];
  return new VlmR1Error(
    "invalid-data",
    `The checkpoint does not fit config.json: it ${parts.join("; it ")}.`,
  );
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, LISTED).map((name) => `"${name}"`);
  return names.length > LISTED ? `${shown.join(", ")} and ${names.length - LISTED} more` : shown.join(", ");
}

/** Longest regular expression that is tried on module names, and the time it may take on all of them. */
const PATTERN_LENGTH = 2000;

const MILLISECONDS = 1000;

/**
 * The names that a regular expression of PEFT matches as a whole. The expression comes with a checkpoint, which may be hostile:
 * one that backtracks without end is stopped.
 *
 * @throws VlmR1Error `invalid-argument` when it is no regular expression, too long, or not done after a second.
 */
export function namesMatching(source: string, names: readonly string[]): Set<string> {
  const pattern = parsePattern(source);
  const code = "names.filter((name) => pattern.test(name))";
  try {
    // Of all ways to run a regular expression, only a script with a time limit can be interrupted in the middle of it.
    return new Set(runInNewContext(code, { names, pattern }, { timeout: MILLISECONDS }) as string[]);
  } catch (cause) {
    throw new VlmR1Error(
      "invalid-argument",
      `The target pattern "${source}" took more than ${MILLISECONDS} ms on ${names.length} names. List the names of the layers instead.`,
      { cause },
    );
  }
}

function parsePattern(source: string): RegExp {
  if (source.length > PATTERN_LENGTH) {
    throw new VlmR1Error(
      "invalid-argument",
      `A target pattern has ${source.length} characters; ${PATTERN_LENGTH} are allowed.`,
    );
  }
  try {
    return new RegExp(`^(?:${source.replaceAll("(?P<", "(?<")})$`); // Python spells named groups differently
  } catch (cause) {
    throw new VlmR1Error("invalid-argument", `The target pattern "${source}" is not a regular expression.`, {
      cause,
    });
  }
}
