import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { VlmR1Error } from "@vlmr1/core";
import { z } from "zod";
import { parseConfig } from "../weights/documents.ts";
import { TEXT_LIMITS, type TextLimits, withinTime } from "./limits.ts";
import { checkTokenId, checkTokenizerLimits } from "./tokenizer-limits.ts";

/** Text to token ids and back. */
export interface Tokenizer {
  /** Entries with added tokens; the model's vocabulary may have more, unused, rows. */
  readonly size: number;
  /** Token ids of `text`; nothing is added at its ends. Special tokens in the text become their ids. */
  encode(text: string): number[];
  /** Text of `ids`; ids without an entry are skipped. `skipSpecialTokens` (default true) leaves out control tokens. */
  decode(ids: readonly number[], options?: { readonly skipSpecialTokens?: boolean }): string;
  /** Id of a whole token, for example `<|im_end|>`; undefined when the vocabulary lacks it. */
  tokenId(token: string): number | undefined;
  /** Content of an id; undefined when the vocabulary lacks it. */
  token(id: number): string | undefined;
  /** Tokens that `tokenizer_config.json` names: `bos_token`, `eos_token`, `pad_token`, `unk_token`. */
  readonly named: ReadonlyMap<string, string>;
}

const NAMED = ["bos_token", "eos_token", "pad_token", "unk_token"] as const;

const tokenizerFields = z.looseObject({
  // Entries of the vocabulary are left to the library: looking at 150000 of them twice takes seconds.
  model: z.looseObject({
    type: z.string(),
    vocab: z.custom<object>((value) => typeof value === "object" && value !== null),
  }),
  added_tokens: z.array(z.looseObject({ id: z.int().min(0), content: z.string() })).default([]),
});

const configFields = z.looseObject({
  added_tokens_decoder: z.record(z.string(), z.looseObject({ content: z.string() })).nullish(),
});

/**
 * Reads a parsed `tokenizer.json` and `tokenizer_config.json` with `@huggingface/tokenizers`.
 *
 * @throws VlmR1Error `invalid-data` when the file is not a tokenizer that the library understands, `limit` when it takes more
 * memory or time than a tokenizer may; `encode` and `decode` throw that, too.
 */
export function createTokenizer(
  tokenizerJson: unknown,
  tokenizerConfig: unknown,
  { seconds }: TextLimits = TEXT_LIMITS,
): Tokenizer {
  const fields = parseConfig(tokenizerFields, tokenizerJson, "tokenizer.json");
  const config = parseConfig(configFields, tokenizerConfig ?? {}, "tokenizer_config.json");
  checkTokenizerLimits(fields);
  const inner = withinTime(seconds, "Reading tokenizer.json", () => construct(fields, config));
  const encode = (text: string): number[] =>
    withinTime(seconds, "The tokenizer", () => encodeWith(inner, text));
  // Text is decoded after every token: only a decoder with regular expressions is worth a timer.
  const hasPatterns = JSON.stringify(fields["decoder"] ?? null).includes('"Regex"');
  const decode = (ids: readonly number[], { skipSpecialTokens = true } = {}): string => {
    const known = ids.filter((id) => inner.id_to_token(id) !== undefined);
    if (known.length === 0) return ""; // The library refuses an empty list.
    const options = { skip_special_tokens: skipSpecialTokens, clean_up_tokenization_spaces: false };
    if (!hasPatterns) return inner.decode(known, options);
    return withinTime(seconds, "The tokenizer", () => inner.decode(known, options));
  };
  return {
    size: inner.get_vocab().size,
    encode,
    decode,
    tokenId: (token) => inner.token_to_id(token),
    token: (id) => inner.id_to_token(id),
    named: namedTokens(config),
  };
}

function construct(
  fields: z.output<typeof tokenizerFields>,
  config: z.output<typeof configFields>,
): HuggingFaceTokenizer {
  const added = allAddedTokens(fields, config);
  try {
    return new HuggingFaceTokenizer({ ...fields, added_tokens: added }, config);
  } catch (cause) {
    throw new VlmR1Error(
      "invalid-data",
      `tokenizer.json cannot be used: ${(cause as Error).message}. Use the original checkpoint's file.`,
      { cause },
    );
  }
}

/** Added tokens of `tokenizer.json`, then those that only `tokenizer_config.json` knows: transformers adds them on loading. */
function allAddedTokens(
  fields: z.output<typeof tokenizerFields>,
  config: z.output<typeof configFields>,
): { readonly id: number; readonly content: string }[] {
  for (const { id, content } of fields.added_tokens) checkTokenId(id, content);
  const known = new Set(fields.added_tokens.map(({ content }) => content));
  const more = Object.entries(config.added_tokens_decoder ?? {})
    .filter(([id, { content }]) => /^\d{1,9}$/.test(id) && !known.has(content))
    .map(([id, token]) => ({ ...token, id: Number(id) }));
  for (const { id, content } of more) checkTokenId(id, content);
  return [...fields.added_tokens, ...more];
}

function encodeWith(inner: HuggingFaceTokenizer, text: string): number[] {
  if (text === "") return [];
  const { ids } = inner.encode(text, { add_special_tokens: false });
  // A byte that the vocabulary lacks has no id: the Python library drops it too.
  return ids.filter((id: unknown) => typeof id === "number");
}

/** Named tokens are strings, or objects with their content. */
function namedTokens(config: Readonly<Record<string, unknown>>): Map<string, string> {
  const named = new Map<string, string>();
  for (const name of NAMED) {
    const value = config[name];
    const content =
      typeof value === "object" && value !== null ? (value as { content?: unknown }).content : value;
    if (typeof content === "string") named.set(name, content);
  }
  return named;
}
