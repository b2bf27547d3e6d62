import * as tf from "@tensorflow/tfjs-core";
import type { Dataset, Rng } from "@vlmr1/core";
import { defaultColors, defaultIcons, type Scene } from "@vlmr1/data";
import { valueAndGrad, type DeviceTensor } from "@vlmr1/engine";
import { cosineSchedule, muon, type Optimizer, type ParameterLayout } from "@vlmr1/grpo";
import type { Model, Tensors } from "@vlmr1/model";
import type { NanoTarget } from "./recipe.ts";

const batchSize = 32;

const learningRate = 0.01;

/**
 * Stage 0 of the recipe: teaches a fresh vision tower to see. An auxiliary head on the merger's output says what each image token shows;
 * the head is thrown away afterwards. Muon trains the matrices, AdamW the rest; both follow a cosine.
 *
 * The mean size of the features is folded into the merger at the end, so that the decoder begins with inputs of unit scale.
 */
export async function pretrainVision(
  model: Model,
  options: {
    readonly dataset: Dataset<NanoTarget>;
    readonly rng: Rng;
    readonly steps: number;
    readonly onStep: (step: number, loss: number) => void;
  },
): Promise<void> {
  const { engine } = model;
  const colors = defaultColors.map(({ name }) => name);
  const names = defaultIcons().map(({ name }) => name);
  const trained = await packWithHead(model, headWidth(colors.length, names.length), options.rng);
  const gradients = engine.pack(trained.shapes);
  const optimizer = muon({
    betas: [0.9, 0.99],
    adamRate: 0.2, // 2e-3 beside 1e-2
    exclude: ["*embed*", "head.*"],
  });
  const update = compileUpdate(model, optimizer, trained.layout);
  const state = Object.fromEntries(
    optimizer.stateNames.map((name) => [name, engine.zeros([trained.layout.size])]),
  );
  const gradient = compileGradient(model, { colors: colors.length, names: names.length });
  const schedule = cosineSchedule({
    warmup: Math.min(20, Math.floor(options.steps / 10)),
    total: options.steps,
    cycles: 0.5,
  });
  let rms = 1;
  for (let step = 0; step < options.steps; step++) {
    const batch = await drawBatch(model, options.dataset, step);
    const labels = visionLabels(batch.scenes, colors, names);
    const targets = {
      present: engine.tensor(labels.present),
      color: engine.tensor(labels.color),
      name: engine.tensor(labels.name),
      corners: engine.tensor(labels.corners),
    };
    const inputs = Object.fromEntries(
      Object.entries(batch.inputs).map(([name, { data, shape }]) => [name, engine.tensor(data, shape)]),
    );
    const result = await gradient.into({ grads: gradients.views }, trained.views, inputs, targets);
    const { value, aux } = result as { value: DeviceTensor; aux: { rms: DeviceTensor } };
    rms = (await aux.rms.read())[0] as number;
    options.onStep(step + 1, (await value.read())[0] as number);
    const scalars = optimizer.scalars({ learningRate: learningRate * schedule(step), step });
    await update.into({ parameters: trained.flat, state }, gradients.flat, trained.flat, state, scalars);
  }
  await writeBack(model, trained.views, rms);
  await Promise.all([gradient.release(), update.release()]);
}

/** The tower's parameters and the head in one buffer. */
async function packWithHead(model: Model, width: number, rng: Rng) {
  const { engine, parameters, architecture } = model;
  const { hiddenSize } = architecture.decoder;
  const specs = parameters.specs.filter(({ name }) => isVision(model, name));
  const shapes: Record<string, readonly number[]> = Object.fromEntries(
    specs.map(({ name, shape }) => [name, shape]),
  );
  shapes["head.weight"] = [width, hiddenSize];
  shapes["head.bias"] = [width];
  const { flat, views } = engine.pack(shapes);
  const tensors = views as Readonly<Record<string, DeviceTensor>>;
  for (const { name } of specs) tensors[name]?.write(await parameters.get(name).read());
  const noise = rng.fork("head");
  const head = Float32Array.from(
    { length: width * hiddenSize },
    () => (noise.normal() * 0.8) / Math.sqrt(hiddenSize),
  );
  tensors["head.weight"]?.write(head);
  return { flat, views: tensors, shapes, layout: layoutOf(shapes) };
}

function layoutOf(shapes: Readonly<Record<string, readonly number[]>>): ParameterLayout {
  let offset = 0;
  const spans = Object.entries(shapes).map(([path, shape]) => {
    const size = shape.reduce((product, side) => product * side, 1);
    const span = { path, shape, offset, size };
    offset += size;
    return span;
  });
  return { size: offset, spans };
}

function compileGradient(model: Model, sizes: { colors: number; names: number }) {
  const tower = model.architecture.vision;
  if (!tower) throw new TypeError("nano has a vision tower");
  const loss = (tensors: Tensors, inputs: Readonly<Record<string, tf.Tensor>>, targets: VisionTargets) => {
    const { features } = tower.forward(tensors, inputs);
    const weight = tensors["head.weight"] as tf.Tensor2D;
    const bias = tensors["head.bias"] as tf.Tensor1D;
    const { loss: value, rms } = visionLoss(features, weight, bias, targets, sizes);
    return { value, aux: { rms } };
  };
  return model.engine.compile(valueAndGrad(loss), { name: "vision pretraining" });
}

function compileUpdate(model: Model, optimizer: Optimizer, layout: ParameterLayout) {
  return model.engine.compile(
    (
      gradients: tf.Tensor1D,
      parameters: tf.Tensor1D,
      state: Readonly<Record<string, tf.Tensor1D>>,
      scalars: Readonly<Record<string, tf.Scalar>>,
    ) => optimizer.update({ gradients, parameters, state, scalars, constants: {} }, layout),
    { name: "vision update" },
  );
}

async function drawBatch(model: Model, dataset: Dataset<NanoTarget>, step: number) {
  const samples = await Promise.all(
    Array.from({ length: batchSize }, (_, i) => dataset.get((step * batchSize + i) % dataset.length)),
  );
  const images = samples.flatMap(({ images: [image] }) =>
    image && model.processor ? [model.processor.process(image)] : [],
  );
  const plan = model.architecture.vision?.plan(images);
  return { scenes: samples.map(({ target }) => target.scene), inputs: plan?.inputs ?? {} };
}

async function writeBack(
  model: Model,
  views: Readonly<Record<string, DeviceTensor>>,
  rms: number,
): Promise<void> {
  for (const [name, view] of Object.entries(views)) {
    if (!isVision(model, name)) continue;
    const values = (await view.read()) as Float32Array;
    const last = name.includes("merger.linear_fc2.");
    model.parameters.get(name).write(last ? values.map((value) => value / rms) : values);
  }
  model.parameters.touch();
  model.encoder.clear();
}

function isVision({ architecture }: Model, name: string): boolean {
  return architecture.vision?.prefixes.some((prefix) => name.startsWith(`${prefix}.`)) ?? false;
}

/** Positions that a corner can have in a picture of 64 pixels. */
const positions = 65;

/** What the head is told of a batch of N tokens, as tensors. */
export interface VisionTargets {
  readonly present: tf.Tensor1D; // [N]
  readonly color: tf.Tensor1D; // int32 [N]
  readonly name: tf.Tensor1D; // int32 [N]
  readonly corners: tf.Tensor1D; // int32 [4 N]
}

/** Numbers that the head gives per token: presence, colour, name, four corners. */
export function headWidth(colors: number, names: number): number {
  return 1 + colors + names + 4 * positions;
}

/**
 * The loss of the auxiliary head: is there an object, of what colour, which one, and where are its corners. A corner's target is a
 * Gaussian of one pixel around the truth, so that a near miss costs less than a far one. Averages over the tokens that show an object.
 *
 * @param features what the merger gives, [N, D]; they are scaled to root mean square 1 first.
 */
export function visionLoss(
  features: tf.Tensor2D,
  weight: tf.Tensor2D, // [headWidth, D]
  bias: tf.Tensor1D, // [headWidth]
  targets: VisionTargets,
  sizes: { readonly colors: number; readonly names: number },
): { readonly loss: tf.Scalar; readonly rms: tf.Scalar } {
  const meanSquare = tf.mean(tf.square(features), -1, true); // [N, 1]
  const scaled = tf.mul(features, tf.rsqrt(tf.add(meanSquare, 1e-6))); // [N, D]
  const logits = tf.add(tf.matMul(scaled as tf.Tensor2D, weight, false, true), bias) as tf.Tensor2D; // [N, W]
  const tokens = features.shape[0];
  const part = (from: number, width: number): tf.Tensor2D => tf.slice2d(logits, [0, from], [tokens, width]);
  const { present } = targets;
  const seen = tf.maximum(tf.sum(present), 1);
  const meanOverSeen = (losses: tf.Tensor): tf.Tensor => tf.div(tf.sum(tf.mul(losses, present)), seen);

  const presence = tf.reshape(part(0, 1), [tokens]);
  const presenceLoss = tf.mean(tf.sub(tf.softplus(presence), tf.mul(presence, present)));
  const colorLoss = meanOverSeen(crossEntropy(part(1, sizes.colors), tf.oneHot(targets.color, sizes.colors)));
  const nameLoss = meanOverSeen(
    crossEntropy(part(1 + sizes.colors, sizes.names), tf.oneHot(targets.name, sizes.names)),
  );
  const corners = tf.reshape(part(1 + sizes.colors + sizes.names, 4 * positions), [tokens * 4, positions]); // [4 N, 65]
  const near = tf.gather(softPositions(), targets.corners); // [4 N, 65]
  const cornerLoss = meanOverSeen(
    tf.mean(tf.reshape(crossEntropy(corners as tf.Tensor2D, near), [tokens, 4]), -1),
  );
  return {
    loss: tf.addN([presenceLoss, colorLoss, nameLoss, cornerLoss]) as tf.Scalar,
    rms: tf.mean(tf.sqrt(meanSquare)),
  };
}

/** -sum(target log softmax(logits)) over the last axis. */
function crossEntropy(logits: tf.Tensor2D, target: tf.Tensor): tf.Tensor {
  return tf.neg(tf.sum(tf.mul(tf.logSoftmax(logits), tf.cast(target, "float32")), -1));
}

/** Row p: the distribution over positions that stands for p, softmax of -(p - q)^2 / 2. [65, 65] */
function softPositions(): tf.Tensor2D {
  const axis = tf.range(0, positions, 1);
  const distance = tf.sub(tf.expandDims(axis, 1), tf.expandDims(axis, 0));
  return tf.softmax(tf.div(tf.square(distance), -2)) as tf.Tensor2D;
}

/** What an auxiliary head is to say about each image token, for one batch. N = images x tokens per image. */
export interface VisionLabels {
  /** 1 where an object covers the token. [N] */
  readonly present: Float32Array;
  /** Index of the object's colour and name; 0 where there is none. [N] */
  readonly color: Int32Array;
  readonly name: Int32Array;
  /** Corners of its box in whole pixels, 0..64. [N 4] */
  readonly corners: Int32Array;
}

/** Side of the picture that one image token sees, and the overlap in square pixels from which an object counts as seen. */
const tokenSide = 16;
const leastOverlap = 24;

/**
 * One object for each 16 x 16 cell of each scene: the one that covers most of it. Tokens are in raster order, as the merger gives them.
 *
 * @param colors the colour words, @param names the nouns: their order is the order of the head's classes.
 */
export function visionLabels(
  scenes: readonly Scene[],
  colors: readonly string[],
  names: readonly string[],
): VisionLabels {
  const columns = (scenes[0]?.width ?? 0) / tokenSide;
  const rows = (scenes[0]?.height ?? 0) / tokenSide;
  const count = scenes.length * rows * columns;
  const labels = {
    present: new Float32Array(count),
    color: new Int32Array(count),
    name: new Int32Array(count),
    corners: new Int32Array(count * 4),
  };
  scenes.forEach(({ objects }, s) => {
    for (let cell = 0; cell < rows * columns; cell++) {
      const left = (cell % columns) * tokenSide;
      const top = Math.floor(cell / columns) * tokenSide;
      const overlaps = objects.map(({ box: [x1, y1, x2, y2] }) => {
        const width = Math.min(x2, left + tokenSide) - Math.max(x1, left);
        const height = Math.min(y2, top + tokenSide) - Math.max(y1, top);
        return Math.max(0, width) * Math.max(0, height);
      });
      const most = Math.max(...overlaps);
      const seen = objects[overlaps.indexOf(most)];
      if (!seen || most < leastOverlap) continue;
      const token = s * rows * columns + cell;
      labels.present[token] = 1;
      labels.color[token] = colors.indexOf(seen.color);
      labels.name[token] = names.indexOf(seen.name);
      labels.corners.set(seen.box.map(Math.round), token * 4);
    }
  });
  return labels;
}
