import type * as tf from "@tensorflow/tfjs";
import type { Dataset, Rng } from "@vlmr1/core";
import { defaultColors, defaultIcons } from "@vlmr1/data";
import { valueAndGrad, type DeviceTensor } from "@vlmr1/engine";
import { cosineSchedule, muon, type Optimizer, type ParameterLayout } from "@vlmr1/grpo";
import type { Model, Tensors } from "@vlmr1/model";
import type { NanoTarget } from "./nano-scenes.ts";
import { headWidth, visionLoss, type VisionTargets } from "./vision-head.ts";
import { visionLabels } from "./vision-labels.ts";

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
