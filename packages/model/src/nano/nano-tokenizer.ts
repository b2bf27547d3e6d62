/** Control tokens, with the ids 0, 1, 2, … */
const SPECIAL = [
  "<|endoftext|>",
  "<|im_start|>",
  "<|im_end|>",
  "<|vision_start|>",
  "<|vision_end|>",
  "<|image_pad|>",
  "<|video_pad|>",
] as const;

/** Pieces of the answer format, in the byte-level alphabet of GPT-2 (Ġ is a space). */
const STRUCTURE = [
  "<think>",
  "Ġ</think>",
  "Ġ<answer>",
  'Ġ{"bbox_2d":Ġ[',
  "]}",
  "Ġ</answer>",
  ",Ġ",
  "user",
  "assistant",
] as const;

/** How text is cut before it is looked up: tags, the opening of a box, words, numbers, single characters. */
const SPLIT = String.raw` ?</?\p{L}+>| ?\{"\w+": \[|\]\}|, (?=\p{N})| ?\p{L}+|\p{N}+|\n| ?[^\s\p{L}\p{N}]|\s`;

/** Words of the drawn scenes' expressions. */
export const NANO_WORDS: readonly string[] = (
  "the thing from left right top bottom leftmost rightmost topmost bottommost second largest smallest of above below upper middle " +
  "lower center closest to and star heart anchor key bell umbrella cactus rocket butterfly gem crown moon red green blue yellow " +
  "purple white"
).split(" ");

/** Coordinates that an image of 64 pixels can have, in thousandths of its side, as Qwen3-VL writes them. */
function numbers(): string[] {
  return Array.from({ length: 65 }, (_, pixel) => String(roundHalfEven((pixel * 1000) / 64)));
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Every token of `nano`, in the order of their ids. */
export function nanoVocabulary(words: readonly string[]): string[] {
  const ascii = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i));
  const spaced = words.map((word) => `Ġ${word}`);
  return [...new Set([...SPECIAL, "Ċ", "Ġ", ...ascii, ...STRUCTURE, "the", ...spaced, ...numbers()])];
}

/**
 * A `tokenizer.json`: byte-level, without merges; whole words or single characters, so that every printable ASCII text is read and
 * written exactly.
 */
export function nanoTokenizer(words: readonly string[]): object {
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false };
  const plain = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const split = { type: "Split", pattern: { Regex: SPLIT }, behavior: "Isolated", invert: false };
  const vocabulary = nanoVocabulary(words).map((token, id) => [token, id] as const);
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: SPECIAL.map((content, id) => ({ id, content, ...plain })),
    normalizer: null,
    pre_tokenizer: { type: "Sequence", pretokenizers: [split, byteLevel] },
    post_processor: byteLevel,
    decoder: byteLevel,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: true,
      vocab: Object.fromEntries(vocabulary),
      merges: [],
    },
  };
}
