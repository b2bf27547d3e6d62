import { showValue, VlmR1Error } from "@vlmr1/core";

/** Ids are below this; the largest released vocabularies have about 260000 entries. */
const MOST_TOKENS = 1 << 22;

/** Steps of normalizer, pre-tokenizer or decoder; released tokenizers have fewer than ten. */
const MOST_STEPS = 32;

/** How many times longer a text may become on its way through the steps. */
const MOST_GROWTH = 256;

type Fields = Readonly<Record<string, unknown>>;

/**
 * Refuses a parsed `tokenizer.json` that would take all memory before any time limit strikes: ids that make a table of thousands of
 * millions of entries, and steps that multiply the length of a text again and again.
 *
 * @throws VlmR1Error `limit` that names the part.
 */
export function checkTokenizerLimits(document: Fields & { readonly model: Fields }): void {
  checkIds(document.model["vocab"]);
  for (const part of ["normalizer", "pre_tokenizer", "decoder"]) {
    const steps = stepsOf(document[part]);
    if (steps.length > MOST_STEPS)
      throw refuse(`${part} has ${steps.length} steps, at most ${MOST_STEPS} are run`);
    const growth = steps.reduce((product, step) => product * growthOf(step), 1);
    if (!(growth <= MOST_GROWTH))
      throw refuse(`${part} can make a text ${growth} times longer, at most ${MOST_GROWTH} times is allowed`);
  }
}

function checkIds(vocab: unknown): void {
  if (Array.isArray(vocab)) {
    if (vocab.length > MOST_TOKENS) throw refuse(`model.vocab has ${vocab.length} entries`);
    return;
  }
  for (const [token, id] of Object.entries(vocab as Fields)) checkTokenId(id, token);
}

/** @throws VlmR1Error `limit` for an id that is no whole number from 0 up to four million. */
export function checkTokenId(id: unknown, token: string): void {
  if (typeof id === "number" && Number.isInteger(id) && id >= 0 && id < MOST_TOKENS) return;
  throw refuse(
    `the token ${showValue(token)} has the id ${showValue(id)}; ids are whole numbers below ${MOST_TOKENS}`,
  );
}

/** The steps of a part in order; sequences hold further steps. */
function stepsOf(part: unknown): Fields[] {
  if (typeof part !== "object" || part === null) return [];
  const step = part as Fields;
  const inner = step["normalizers"] ?? step["pretokenizers"] ?? step["decoders"];
  return Array.isArray(inner) ? inner.flatMap(stepsOf) : [step];
}

/** How many times longer one step can make a text, at least 1. */
function growthOf(step: Fields): number {
  const { type, content, pattern, prepend, replacement, length } = step;
  switch (type) {
    case "Replace": {
      const written = lengthOf(content);
      const found = (pattern as { readonly String?: unknown } | null | undefined)?.String;
      // A regular expression may match at every place, also between two characters.
      return typeof found === "string" && found !== ""
        ? Math.max(1, written / found.length)
        : Math.max(1, written + 1);
    }
    case "Prepend":
      return 1 + lengthOf(prepend) / 16;
    case "Metaspace":
      return Math.max(1, lengthOf(replacement));
    case "ByteLevel":
    case "BertNormalizer":
      return 3;
    case "NFKC":
    case "NFKD":
    case "NFC":
    case "NFD":
    case "Precompiled":
      return 3;
    case "FixedLength":
      if (typeof length === "number" && length >= 1) return 1;
      throw refuse(`a step FixedLength has the length ${showValue(length)}, and would never end`);
    default:
      return 1;
  }
}

function lengthOf(text: unknown): number {
  return typeof text === "string" ? text.length : 0;
}

function refuse(what: string): VlmR1Error {
  return new VlmR1Error("limit", `tokenizer.json: ${what}. Use the original checkpoint's file.`);
}
