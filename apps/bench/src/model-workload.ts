import { createRng, type RgbImage, type Rng, type Sample } from "@vlmr1/core";
import type { Engine } from "@vlmr1/engine";
import { createModel, nano, type Model, type ModelFiles, type Prompt, type PromptImage } from "@vlmr1/model";

/** The shapes of `peers/common.py`. */
export interface ModelShape {
  readonly name: string;
  readonly files: ModelFiles;
  readonly imageTokenId: number;
  /** Text tokens before and after the image. */
  readonly textTokens: number;
  /** Size of the pictures in pixels. */
  readonly side: number;
}

const noStop = { eos_token_id: [], pad_token_id: 0 };

/** `nano`: 24 prompt tokens, 16 of them visual. */
export const nanoShape: ModelShape = {
  name: "nano",
  files: { ...nano(), generationConfig: noStop },
  imageTokenId: 5,
  textTokens: 8,
  side: 64,
};

/** SmolVLM-256M with one tile (99 prompt tokens) or five (363). */
export function smolVlmShape(tiles: 1 | 5): ModelShape {
  const edge = tiles === 1 ? 512 : 1024;
  return {
    name: tiles === 1 ? "SmolVLM-256M" : "SmolVLM-256M, 5 tiles",
    files: {
      config: smolVlmConfig(),
      generationConfig: noStop,
      preprocessorConfig: {
        image_processor_type: "Idefics3ImageProcessor",
        do_image_splitting: tiles > 1,
        size: { longest_edge: edge },
        max_image_size: { longest_edge: 512 },
        image_mean: [0.5, 0.5, 0.5],
        image_std: [0.5, 0.5, 0.5],
      },
      tokenizer: nano().tokenizer, // prompts are given as token ids
      chatTemplate: "",
    },
    imageTokenId: 49_190,
    textTokens: tiles === 1 ? 35 : 43,
    side: edge,
  };
}

function smolVlmConfig(): unknown {
  return {
    model_type: "idefics3",
    image_token_id: 49_190,
    scale_factor: 4,
    tie_word_embeddings: false,
    text_config: {
      model_type: "llama",
      vocab_size: 49_280,
      hidden_size: 576,
      intermediate_size: 1536,
      num_hidden_layers: 30,
      num_attention_heads: 9,
      num_key_value_heads: 3,
      head_dim: 64,
      max_position_embeddings: 8192,
      rms_norm_eps: 1e-5,
      rope_theta: 100_000,
      tie_word_embeddings: false,
    },
    vision_config: {
      hidden_size: 768,
      intermediate_size: 3072,
      num_hidden_layers: 12,
      num_attention_heads: 12,
      image_size: 512,
      patch_size: 16,
      hidden_act: "gelu_pytorch_tanh",
      layer_norm_eps: 1e-6,
    },
  };
}

/** A generator whose normals are cheap: random weights need no more. */
function cheapRng(rng: Rng): Rng {
  let state = rng.integer(2 ** 31) | 1;
  const normal = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return state / 2 ** 30.2;
  };
  return { ...rng, normal, fork: () => cheapRng(rng) };
}

/** A model of a shape with random weights. Its prompts are random tokens around the pictures of a sample. */
export async function randomModel(engine: Engine, shape: ModelShape): Promise<Model> {
  const model = await createModel(shape.files, { engine, rng: cheapRng(createRng(1)) });
  const preprocess: Model["preprocess"] = ({ images = [] }) => randomPrompt(model, shape, images);
  return Object.create(model, { preprocess: { value: preprocess } }) as Model;
}

function randomPrompt(model: Model, shape: ModelShape, images: readonly RgbImage[]): Prompt {
  const rng = createRng(2);
  const text = (count: number): number[] => Array.from({ length: count }, () => 10 + rng.integer(140));
  const prepared = images.map((image, i): PromptImage => {
    const processor = model.processor as NonNullable<typeof model.processor>;
    const key = `${i} ${image.data[0]} ${image.data[1]} ${image.data[2]} ${image.data[3]}`;
    return { ...processor.layout(image), key, process: () => processor.process(image) };
  });
  const before = Math.floor(shape.textTokens / 2);
  const visual = prepared.flatMap(({ tokens }) => Array.from({ length: tokens }, () => shape.imageTokenId));
  const ids = [...text(before), ...visual, ...text(shape.textTokens - before)];
  return { ids, images: prepared, positions: model.architecture.positions(ids, prepared) };
}

/** Samples with one random picture each. */
export function randomSamples(count: number, side: number, seed: number): Sample[] {
  return Array.from({ length: count }, (_, i) => {
    const rng = createRng(seed * 1000 + i);
    const data = new Uint8Array(side * side * 3);
    for (let at = 0; at < data.length; at++) data[at] = rng.integer(256);
    return {
      id: `${seed}-${i}`,
      prompt: "",
      images: [{ width: side, height: side, data }],
      target: undefined,
    };
  });
}
