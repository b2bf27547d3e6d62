import { describe, expect, it } from "vitest";
import { familyOf, knownFamilies } from "../../src/families/known-families.ts";

const mrope = { type: "mrope", mrope_section: [16, 24, 24] };
const qwen3Vision = {
  depth: 24,
  hidden_size: 1024,
  intermediate_size: 4096,
  num_heads: 16,
  patch_size: 16,
  num_position_embeddings: 2304,
  deepstack_visual_indexes: [5, 11, 17],
};
const qwen3Rope = { rope_type: "default", mrope_interleaved: true, mrope_section: [24, 20, 20] };
const smol = {
  num_key_value_heads: 3,
  num_hidden_layers: 30,
  num_attention_heads: 9,
  hidden_size: 576,
  intermediate_size: 1536,
  vocab_size: 49280,
};

/** Configurations of released checkpoints, reduced to the fields that decide shapes. */
const RELEASES: [name: string, parameters: number, config: object][] = [
  [
    "SmolVLM-256M",
    256_484_928,
    {
      model_type: "idefics3",
      image_token_id: 49190,
      scale_factor: 4,
      text_config: smol,
      vision_config: { hidden_size: 768, num_attention_heads: 12, image_size: 512, patch_size: 16 },
    },
  ],
  [
    "SmolVLM2-500M",
    507_482_304,
    {
      model_type: "smolvlm",
      image_token_id: 49190,
      scale_factor: 4,
      text_config: {
        ...smol,
        num_key_value_heads: 5,
        num_hidden_layers: 32,
        num_attention_heads: 15,
        hidden_size: 960,
        intermediate_size: 2560,
      },
      vision_config: { hidden_size: 768, num_attention_heads: 12, image_size: 512, patch_size: 16 },
    },
  ],
  [
    "SmolVLM2-2.2B",
    2_246_784_880,
    {
      model_type: "smolvlm",
      image_token_id: 49190,
      scale_factor: 3,
      text_config: {
        ...smol,
        num_key_value_heads: 32,
        num_hidden_layers: 24,
        num_attention_heads: 32,
        hidden_size: 2048,
        intermediate_size: 8192,
      },
      vision_config: {
        hidden_size: 1152,
        intermediate_size: 4304,
        num_hidden_layers: 27,
        num_attention_heads: 16,
        image_size: 384,
        patch_size: 14,
      },
    },
  ],
  [
    "InternVL3-1B",
    938_193_024, // published as 938.2 million,
    {
      model_type: "internvl",
      text_config: {
        model_type: "qwen2",
        hidden_size: 896,
        intermediate_size: 4864,
        num_hidden_layers: 24,
        num_attention_heads: 14,
        num_key_value_heads: 2,
        vocab_size: 151674,
      },
      vision_config: { attention_bias: true },
    },
  ],
  [
    "Qwen2-VL-2B",
    2_208_985_600,
    {
      model_type: "qwen2_vl",
      hidden_size: 1536,
      intermediate_size: 8960,
      num_hidden_layers: 28,
      num_attention_heads: 12,
      num_key_value_heads: 2,
      vocab_size: 151936,
      tie_word_embeddings: true,
      rope_scaling: mrope,
      vision_config: { depth: 32, embed_dim: 1280, hidden_size: 1536, mlp_ratio: 4, num_heads: 16 },
    },
  ],
  [
    "Qwen2.5-VL-3B",
    3_754_622_976,
    {
      model_type: "qwen2_5_vl",
      hidden_size: 2048,
      intermediate_size: 11008,
      num_hidden_layers: 36,
      num_attention_heads: 16,
      num_key_value_heads: 2,
      vocab_size: 151936,
      tie_word_embeddings: true,
      rope_scaling: mrope,
      vision_config: {
        depth: 32,
        hidden_size: 1280,
        intermediate_size: 3420,
        num_heads: 16,
        out_hidden_size: 2048,
      },
    },
  ],
  [
    "Qwen3-VL-2B",
    2_127_532_032,
    {
      model_type: "qwen3_vl",
      image_token_id: 151655,
      tie_word_embeddings: true,
      text_config: {
        hidden_size: 2048,
        intermediate_size: 6144,
        num_hidden_layers: 28,
        num_attention_heads: 16,
        num_key_value_heads: 8,
        head_dim: 128,
        vocab_size: 151936,
        rope_scaling: qwen3Rope,
      },
      vision_config: { ...qwen3Vision, out_hidden_size: 2048 },
    },
  ],
  [
    "Qwen3-VL-4B",
    4_437_815_808,
    {
      model_type: "qwen3_vl",
      image_token_id: 151655,
      tie_word_embeddings: true,
      text_config: {
        hidden_size: 2560,
        intermediate_size: 9728,
        num_hidden_layers: 36,
        num_attention_heads: 32,
        num_key_value_heads: 8,
        head_dim: 128,
        vocab_size: 151936,
        rope_scaling: qwen3Rope,
      },
      vision_config: { ...qwen3Vision, out_hidden_size: 2560 },
    },
  ],
  [
    "LLaVA-OneVision-0.5B",
    893_675_552,
    {
      model_type: "llava_onevision",
      text_config: {
        hidden_size: 896,
        intermediate_size: 4864,
        num_hidden_layers: 24,
        num_attention_heads: 14,
        num_key_value_heads: 2,
        vocab_size: 152000,
        tie_word_embeddings: true,
      },
      vision_config: {},
    },
  ],
  [
    "LLaVA-OneVision-7B",
    8_030_807_584,
    {
      model_type: "llava_onevision",
      text_config: {
        hidden_size: 3584,
        intermediate_size: 18944,
        num_hidden_layers: 28,
        num_attention_heads: 28,
        num_key_value_heads: 4,
        vocab_size: 152128,
      },
      vision_config: {},
    },
  ],
];

describe("the parameters of a released checkpoint", () => {
  it.each(RELEASES)("of %s add up to %i", (_, parameters, config) => {
    const { tensors } = familyOf(config, knownFamilies).architecture(config);
    const sizes = tensors.map(({ shape }) => shape.reduce((product, length) => product * length, 1));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(parameters);
    expect(new Set(tensors.map(({ name }) => name)).size).toBe(tensors.length);
  });

  it("are 471 tensors for SmolVLM-256M", () => {
    const config = RELEASES[0]![2];
    expect(familyOf(config, knownFamilies).architecture(config).tensors.length).toBe(471);
  });
});

describe("a configuration that contradicts itself", () => {
  const base = RELEASES.find(([name]) => name === "Qwen2.5-VL-3B")![2] as Record<string, unknown>;
  const vision = base["vision_config"] as object;
  it.each([
    [{ hidden_size: "2048" }, /hidden_size is "2048"/],
    [{ num_key_value_heads: 3 }, /16 is not a multiple of num_key_value_heads 3/],
    [{ rope_scaling: { type: "mrope", mrope_section: [16, 24, 25] } }, /mrope_section adds up to 65/],
    [{ rope_scaling: { type: "longrope", factor: 4 } }, /"longrope" is not supported/],
    [{ hidden_act: "gelu" }, /hidden_act is "gelu"/],
    [{ use_sliding_window: true }, /use_sliding_window/],
    [{ num_hidden_layers: 1e9 }, /num_hidden_layers/],
    [{ vision_config: { ...vision, out_hidden_size: 1024 } }, /out_hidden_size differs/],
    [{ vision_config: { ...vision, window_size: 20 } }, /window_size is smaller/],
    [{ vision_config: { ...vision, hidden_size: 1290 } }, /not a multiple of 4 num_heads/],
    [{ vision_config: null }, /vision_config/],
  ])("is refused with the field that is wrong: %j", (change, message) => {
    const config = { ...base, ...change };
    expect(() => familyOf(config, knownFamilies).architecture(config)).toThrowError(message);
  });
});
