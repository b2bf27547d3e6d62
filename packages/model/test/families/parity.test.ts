import { loadImage } from "@vlmr1/data";
import { readFileSync, rmSync } from "node:fs";
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { familyOf, knownFamilies } from "../../src/families/known-families.ts";
import { readChatTemplate, readPreprocessorFiles } from "../../src/files.ts";
import { expandPlaceholders, type ImageProcessor } from "../../src/images/processor.ts";
import type { Architecture, ProcessedImage } from "../../src/network/architecture.ts";
import { decoderForward, finalNorm, type FeatureTensors } from "../../src/network/decoder.ts";
import { headScope, logits } from "../../src/network/head.ts";
import { featureInputs, type Prompt, promptInputs } from "../../src/network/inputs.ts";
import { rootScope } from "../../src/network/scope.ts";
import type { HostTensor } from "../../src/network/tensors.ts";
import { type ChatTemplate, createChatTemplate, messageImages } from "../../src/text/chat.ts";
import { createTokenizer, type Tokenizer } from "../../src/text/tokenizer.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";
import { openModelFolder } from "../../src/weights/documents.ts";
import { matchTensors, withStoredHead } from "../../src/weights/names.ts";
import { fixturePath } from "../fixtures/read-fixture.ts";
import {
  type ExpectedCase,
  floats,
  largestDifference,
  makeVariant,
  type Variant,
  variantNames,
} from "../fixtures/variant.ts";

/** A model without an engine: TensorFlow.js computes eagerly, on its own cpu backend. engine-parity.test.ts has the compiled ones. */
interface EagerModel {
  readonly architecture: Architecture;
  readonly weights: Record<string, tf.Variable>;
  readonly processor: ImageProcessor | undefined;
  readonly tokenizer: Tokenizer;
  readonly template: ChatTemplate;
}

async function loadEagerly(path: string): Promise<EagerModel> {
  const folder = await openModelFolder(path);
  const config = await folder.json("config.json");
  const family = familyOf(config, knownFamilies);
  const checkpoint = await openCheckpoint(folder);
  const architecture = withStoredHead(
    family.architecture(config),
    config,
    checkpoint.tensors,
    family.renames,
  );
  const places = matchTensors(architecture.tensors, checkpoint.tensors, family.renames);
  const weights: Record<string, tf.Variable> = {};
  for (const { name, shape } of architecture.tensors) {
    const data = new Float32Array(shape.reduce((product, length) => product * length, 1));
    await checkpoint.read(places.get(name)!, data);
    weights[name] = tf.variable(tf.tensor(data, [...shape]));
  }
  await checkpoint.close();
  const files = await readPreprocessorFiles(folder);
  return {
    architecture,
    weights,
    processor: family.processor?.(config, files.preprocessor, files.processor),
    tokenizer: createTokenizer(await folder.json("tokenizer.json"), undefined),
    template: createChatTemplate((await readChatTemplate(folder))!, architecture.vision !== undefined),
  };
}

const onTape = ({ data, shape }: HostTensor): tf.Tensor =>
  tf.tensor(data, [...shape], data instanceof Int32Array ? "int32" : "float32");

/** Logits of every position, `[T, V]`, of a prompt followed by `continuation`. */
function forward(
  model: EagerModel,
  ids: readonly number[],
  images: readonly ProcessedImage[],
  continuation: readonly number[],
): tf.Tensor2D {
  const { architecture, weights } = model;
  const { decoder, vision } = architecture;
  const { axes, next } = architecture.positions(ids, images);
  const extended = axes.map((axis) => Int32Array.from([...axis, ...continuation.map((_, t) => next + t)]));
  const layouts = images.map((image, index) => ({ ...image, key: String(index), process: () => image }));
  const prompt: Prompt = {
    ids: [...ids, ...continuation],
    images: layouts,
    positions: { axes: extended as unknown as Prompt["positions"]["axes"], next: next + continuation.length },
  };
  const inputs = promptInputs(decoder, [prompt], prompt.ids.length);
  let placed: FeatureTensors | undefined;
  if (vision && images.length > 0) {
    const plan = vision.plan(images);
    const features = vision.forward(
      weights,
      Object.fromEntries(Object.entries(plan.inputs).map(([name, input]) => [name, onTape(input)])),
    );
    const slots = featureInputs([prompt], prompt.ids.length, vision.imageTokenId, [plan.starts]);
    placed = {
      ...features,
      slots: { rows: onTape(slots.rows) as tf.Tensor1D, mask: onTape(slots.mask) as tf.Tensor2D },
    };
  }
  const rotary = { cos: onTape(inputs.rotary.cos), sin: onTape(inputs.rotary.sin) };
  const tokens = { ids: onTape(inputs.ids) as tf.Tensor1D, rotary, bias: onTape(inputs.bias) };
  const root = rootScope(weights);
  const { hidden } = decoderForward(
    root,
    decoder,
    tokens,
    { prompts: 1, group: 1, length: prompt.ids.length },
    { images: placed },
  );
  return logits(headScope(root, decoder), finalNorm(root, decoder, hidden));
}

/** Last logits `[V]` and log-probabilities of the completion `[C]`, from one pass. */
function scores(
  model: EagerModel,
  expected: ExpectedCase,
  images: readonly ProcessedImage[],
): { last: tf.Tensor; logProbs: tf.Tensor } {
  const { ids, completion } = expected;
  const all = forward(model, ids, images, completion);
  const [length, size] = all.shape;
  const rows = tf.slice(all, [ids.length - 1, 0], [completion.length, size]);
  const chosen = tf.oneHot(tf.tensor1d([...completion], "int32"), size);
  return { last: tf.slice(all, [length - 1, 0]), logProbs: tf.sum(tf.mul(tf.logSoftmax(rows), chosen), 1) };
}

function expectScores(actual: { last: tf.Tensor; logProbs: tf.Tensor }, expected: ExpectedCase): void {
  expect({
    case: expected.name,
    last: largestDifference(actual.last.dataSync(), floats(expected.last_logits)) < 2e-5,
    logProbs: largestDifference(actual.logProbs.dataSync(), floats(expected.log_probs)) < 2e-5,
  }).toEqual({ case: expected.name, last: true, logProbs: true });
}

/** Largest difference of the first and last pixel values that the fixture has; 0 without images. */
function pixelDifference(images: readonly ProcessedImage[], { pixels }: ExpectedCase): number {
  if (!pixels) return 0;
  const first = largestDifference(images[0]!.pixels, floats(pixels.first));
  return Math.max(first, largestDifference(images.at(-1)!.pixels.slice(-32), floats(pixels.last)));
}

const hasGradients = ({ gradients }: ExpectedCase): boolean => Object.keys(gradients).length > 0;

async function processImages(model: EagerModel, { messages }: ExpectedCase): Promise<ProcessedImage[]> {
  const images: ProcessedImage[] = [];
  for (const file of messageImages(messages)) {
    images.push(
      model.processor!.process(await loadImage(readFileSync(fixturePath(`images/${file as string}`)))),
    );
  }
  return images;
}

describe.each(variantNames)("%s", (name) => {
  let variant: Variant;
  let model: EagerModel;
  beforeAll(async () => {
    await tf.setBackend("cpu");
    variant = await makeVariant(name);
    model = await loadEagerly(variant.folder);
  });
  afterAll(() => {
    for (const weight of Object.values(model.weights)) weight.dispose();
    rmSync(variant.folder, { recursive: true });
  });

  it("makes the token ids, grids, pixel values and positions of transformers", async () => {
    for (const expected of variant.cases) {
      const images = await processImages(model, expected);
      const rendered = model.template.render(expected.messages);
      const text = images.length > 0 ? expandPlaceholders(rendered, model.processor!, images) : rendered;
      expect(model.tokenizer.encode(text)).toEqual(expected.ids);
      expect(images.map((image) => image.grid)).toEqual(expected.grids);
      expect(pixelDifference(images, expected)).toBeLessThan(2e-6);
      const { axes, next } = model.architecture.positions(expected.ids, images);
      const consecutive = expected.ids.map((_, index) => index);
      const rows = expected.positions ?? [consecutive, consecutive, consecutive];
      expect({ axes: axes.map((axis) => [...axis]), next }).toEqual({
        axes: rows,
        next: expected.next ?? expected.ids.length,
      });
    }
  });

  it("has the logits, log-probabilities and gradients of transformers", async () => {
    const expected = variant.cases.find(hasGradients)!;
    const images = await processImages(model, expected);
    const names = Object.keys(expected.gradients);
    expect(names.length).toBeGreaterThan(3);
    const { value, grads } = tf.variableGrads(
      () => {
        const result = scores(model, expected, images);
        expectScores(result, expected);
        return tf.neg(tf.mean(result.logProbs)).asScalar();
      },
      names.map((parameter) => model.weights[parameter]!),
    );
    expect(Math.abs(value.dataSync()[0]! - expected.loss)).toBeLessThan(2e-5);
    const differences = names.map((parameter) => {
      const gradient = Float32Array.from(grads[model.weights[parameter]!.name]!.dataSync());
      const { norm, first } = expected.gradients[parameter]!;
      const largest = gradient.reduce((most, entry) => Math.max(most, Math.abs(entry)), 0);
      const ofNorm = Math.abs(Math.hypot(...gradient) - norm) / norm;
      return {
        parameter,
        difference: Math.max(ofNorm, largestDifference(gradient, floats(first)) / largest),
      };
    });
    expect(differences.filter(({ difference }) => !(difference < 1e-3))).toEqual([]);
  });
});
