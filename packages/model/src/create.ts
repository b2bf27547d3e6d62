import type { Rng } from "@vlmr1/core";
import type { Engine, Precision } from "@vlmr1/engine";
import { interpretFiles } from "./files.ts";
import { assembleModel, type Model } from "./model.ts";
import type { Architecture } from "./network/architecture.ts";
import type { TensorSpec } from "./network/tensors.ts";
import { saveModel } from "./save.ts";
import type { ModelFiles } from "./weights/documents.ts";
import { createParameterStore, segmentsOf } from "./weights/parameters.ts";

/** Standard deviation of a linear layer's outputs for inputs of variance 1. */
const GAIN = 0.8;

/** Layers whose outputs are added to the stream, twice per block: their weights shrink with depth. */
const RESIDUAL =
  /\.blocks\.\d+\.(?:attn\.proj|mlp\.linear_fc2)\.|\.layers\.\d+\.(?:self_attn\.o_proj|mlp\.down_proj)\./;

/**
 * Makes a model from the documents of a checkpoint (for example `nano()`), with fresh weights: normal with standard deviation 0.8
 * / sqrt(fan in), residual outputs divided by sqrt(2 layers), norms 1, biases 0. The same `rng` gives the same weights.
 */
export async function createModel(
  files: ModelFiles,
  options: {
    readonly engine: Engine;
    readonly rng: Rng;
    /** See `LoadOptions`. */
    readonly precision?: Precision;
    /** See `LoadOptions`; default false. */
    readonly bakeWeights?: boolean;
  },
): Promise<Model> {
  const { engine, rng, precision, bakeWeights = false } = options;
  const { family, ...read } = interpretFiles(files);
  const architecture = family.architecture(files.config);
  const depth = blockCounts(architecture);
  const fill = (spec: TensorSpec, target: Float32Array): void =>
    initialize(spec, target, rng.fork(spec.name), architecture, depth);
  const parameters = await createParameterStore(engine, segmentsOf(architecture), fill, precision);
  return assembleModel({
    engine,
    architecture,
    parameters,
    ...read,
    boxFrame: family.boxFrame,
    bakeWeights,
    save: (model, directory, saveOptions) => saveModel(model, files, directory, saveOptions),
  });
}

interface BlockCounts {
  readonly vision: number;
  readonly language: number;
}

function blockCounts({ tensors, decoder }: Architecture): BlockCounts {
  const numbers = tensors.flatMap(({ name }) => /\.blocks\.(\d+)\./.exec(name)?.slice(1) ?? []);
  return { vision: new Set(numbers).size, language: decoder.layers };
}

function initialize(
  spec: TensorSpec,
  target: Float32Array,
  rng: Rng,
  architecture: Architecture,
  depth: BlockCounts,
): void {
  const { name, shape } = spec;
  const { decoder } = architecture;
  if (name.endsWith(".bias")) return;
  if (name === `${decoder.prefix}.norm.weight` && decoder.tiedHead) {
    target.fill(decoder.hiddenSize ** -0.5); // logits of a tied head start near variance 1
  } else if (shape.length === 1) {
    target.fill(1);
  } else if (name.endsWith("pos_embed.weight")) {
    sinusoidalTable(target, shape[1] as number);
  } else if (shape.length === 5) {
    fillKernel(target, shape, rng);
  } else {
    const fan = name.endsWith("embed_tokens.weight") ? 1 : (shape[1] as number);
    const blocks = name.includes(".blocks.") ? depth.vision : depth.language;
    const std = (GAIN / Math.sqrt(fan)) * (RESIDUAL.test(name) ? 1 / Math.sqrt(2 * blocks) : 1);
    for (let i = 0; i < target.length; i++) target[i] = rng.normal() * std;
  }
}

/** A square table of 2-D sines and cosines, half size: neighbours look alike from the start. */
function sinusoidalTable(target: Float32Array, width: number): void {
  const side = Math.sqrt(target.length / width);
  const quarter = Math.floor(width / 4);
  for (let cell = 0; cell < side * side; cell++) {
    for (let i = 0; i < quarter; i++) {
      const frequency = 100 ** (-i / quarter);
      const [column, row] = [(cell % side) * frequency, Math.floor(cell / side) * frequency];
      [Math.sin(column), Math.cos(column), Math.sin(row), Math.cos(row)].forEach((value, k) => {
        target[cell * width + k * quarter + i] = 0.5 * value;
      });
    }
  }
}

/** A patch kernel `[D, channels, time, patch, patch]` that weighs the repeated frames alike. */
function fillKernel(target: Float32Array, shape: readonly number[], rng: Rng): void {
  const [width, channels, time, height, patch] = shape as [number, number, number, number, number];
  const area = height * patch;
  const std = (channels * area) ** -0.5 / time;
  for (let plane = 0; plane < width * channels; plane++) {
    for (let i = 0; i < area; i++) {
      const value = rng.normal() * std;
      for (let frame = 0; frame < time; frame++) target[(plane * time + frame) * area + i] = value;
    }
  }
}
