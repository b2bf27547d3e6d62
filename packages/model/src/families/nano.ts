import type { ModelFiles } from "../weights/documents.ts";
import { roundHalfEven } from "../images/qwen-processor.ts";

/** What may be chosen about `nano`. */
export interface NanoOptions {
  /** Words that are one token each; anything else is spelled. Default: the vocabulary of the drawn scenes. */
  readonly words?: readonly string[];
}

const TEMPLATE =
  "{%- for m in messages %}<|im_start|>{{ m.role }}\n{% if m.content is string %}{{ m.content }}{% else %}{% for c in m.content %}" +
  "{% if c.type == 'image' or 'image' in c %}<|vision_start|><|image_pad|><|vision_end|>{% elif 'text' in c %}{{ c.text }}{% endif %}" +
  "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/**
 * The documents of `nano`: a Qwen3-VL of 0.86 million parameters, small enough to learn to point in minutes on two CPU cores, and
 * still a checkpoint that transformers opens. Images of 64 x 64 pixels become 16 tokens.
 */
export function nano({ words = NANO_WORDS }: NanoOptions = {}): ModelFiles {
  const vocabulary = Math.ceil(nanoVocabulary(words).length / 8) * 8;
  return {
    config: {
      architectures: ["Qwen3VLForConditionalGeneration"],
      model_type: "qwen3_vl",
      dtype: "float32",
      tie_word_embeddings: true,
      image_token_id: 5,
      video_token_id: 6,
      vision_start_token_id: 3,
      vision_end_token_id: 4,
      eos_token_id: 2,
      pad_token_id: 0,
      text_config: textConfig(vocabulary),
      vision_config: visionConfig(),
    },
    generationConfig: { eos_token_id: 2, pad_token_id: 0, do_sample: false, max_new_tokens: 32 },
    preprocessorConfig: preprocessor(),
    tokenizer: nanoTokenizer(words),
    tokenizerConfig: {
      tokenizer_class: "PreTrainedTokenizerFast",
      eos_token: "<|im_end|>",
      pad_token: "<|endoftext|>",
      clean_up_tokenization_spaces: false,
      model_max_length: 256,
      processor_class: "Qwen3VLProcessor",
    },
    chatTemplate: TEMPLATE,
  };
}

function preprocessor(): object {
  return {
    image_processor_type: "Qwen2VLImageProcessor",
    processor_class: "Qwen3VLProcessor",
    patch_size: 8,
    temporal_patch_size: 2,
    merge_size: 2,
    image_mean: [0.5, 0.5, 0.5],
    image_std: [0.5, 0.5, 0.5],
    do_resize: true,
    do_rescale: true,
    do_normalize: true,
    do_convert_rgb: true,
    rescale_factor: 1 / 255,
    resample: 3,
    size: { shortest_edge: 256, longest_edge: 16_384 },
  };
}

function textConfig(vocabulary: number): object {
  const rope = { rope_type: "default", mrope_section: [4, 4, 4], mrope_interleaved: true };
  return {
    model_type: "qwen3_vl_text",
    vocab_size: vocabulary,
    hidden_size: 96,
    intermediate_size: 288,
    num_hidden_layers: 3,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 24,
    hidden_act: "silu",
    max_position_embeddings: 256,
    rms_norm_eps: 1e-6,
    attention_bias: false,
    attention_dropout: 0,
    use_cache: true,
    tie_word_embeddings: true,
    rope_theta: 1000,
    rope_parameters: { ...rope, rope_theta: 1000 },
    rope_scaling: rope,
    dtype: "float32",
    eos_token_id: 2,
    pad_token_id: 0,
  };
}

function visionConfig(): object {
  return {
    model_type: "qwen3_vl",
    depth: 3,
    hidden_size: 96,
    hidden_act: "gelu_pytorch_tanh",
    intermediate_size: 288,
    num_heads: 4,
    in_channels: 3,
    patch_size: 8,
    spatial_merge_size: 2,
    temporal_patch_size: 2,
    out_hidden_size: 96,
    num_position_embeddings: 64,
    deepstack_visual_indexes: [],
  };
}

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

/** Every token of `nano`, in the order of their ids. */
function nanoVocabulary(words: readonly string[]): string[] {
  const ascii = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i));
  const spaced = words.map((word) => `Ġ${word}`);
  return [...new Set([...SPECIAL, "Ċ", "Ġ", ...ascii, ...STRUCTURE, "the", ...spaced, ...numbers()])];
}

/**
 * A `tokenizer.json`: byte-level, without merges; whole words or single characters, so that every printable ASCII text is read
 * and written exactly.
 */
function nanoTokenizer(words: readonly string[]): object {
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
