import { createRng, type Rng } from "@vlmr1/core";
import { readFloats } from "../host-tree.ts";
import { createFeatureEncoder, type FeatureEncoder } from "../image-features.ts";
import type { AdapterScaling } from "../layers/scope.ts";
import { createAdapter, freshAdapterWeights, type Adapter } from "../lora/adapter.ts";
import { DEFAULT_LORA, type LoraConfig } from "../lora/lora-config.ts";
import type { Model } from "../model.ts";
import { packParameters, type DeviceTensors, type ParameterGroup } from "../parameters.ts";
import { headWeightName } from "../weight-names.ts";
import { createReference, type Reference } from "./reference.ts";
import { isVisionParameter, trainedNames, type TrainedPart } from "./trained-parameters.ts";

/** Weights that a pass computes with. */
export interface WeightSet {
  readonly trained: DeviceTensors;
  readonly frozen: DeviceTensors;
  readonly adapters: AdapterScaling | undefined;
  /** Encodes images ahead of the pass; absent when the tower is trained and runs inside it. */
  readonly encoder: FeatureEncoder | undefined;
}

/** The weights of a policy: what is trained, what is not, and the reference. */
export interface TrainedWeights {
  /** What is trained, in one buffer. */
  readonly group: ParameterGroup;
  /** Another buffer of the same layout. */
  readonly pack: () => ParameterGroup;
  readonly current: WeightSet;
  /** Parameters of the decoder only, for generation. */
  readonly decoding: { readonly frozen: DeviceTensors; readonly trained: DeviceTensors };
  readonly headIsTrained: boolean;
  /** Share of the adapters' inputs that training zeroes. */
  readonly dropout: number;
  readonly reference: Reference;
  /** Says that the trained weights changed. */
  updated(): void;
}

/** Which weights a policy trains. */
export interface TrainedWeightsOptions {
  readonly train: TrainedPart;
  readonly lora: Partial<LoraConfig> | undefined;
  readonly rng: Rng | undefined;
  readonly keepReference: boolean;
}

/** Prepares the weights of a policy: gathers what is trained in one buffer, or puts an adapter on. */
export function openTrainedWeights(model: Model, options: TrainedWeightsOptions): Promise<TrainedWeights> {
  return options.train === "lora"
    ? adapterWeights(model, options)
    : fullWeights(model, options.train, options.keepReference);
}

async function fullWeights(
  model: Model,
  part: Exclude<TrainedPart, "lora">,
  keep: boolean,
): Promise<TrainedWeights> {
  const { engine, architecture, parameters } = model;
  const names = new Set(trainedNames(architecture, part));
  const group = await parameters.gather([...names]);
  const isVision = (name: string): boolean => isVisionParameter(architecture, name);
  const trainsVision = [...names].some(isVision);
  const frozen = parameters.select((name) => !names.has(name) && (trainsVision || !isVision(name)));
  const encoder = trainsVision ? undefined : model.encoder;
  const pack = (): ParameterGroup => packParameters(engine, group.specs);
  const weightSet = (views: DeviceTensors): WeightSet => ({
    trained: views,
    frozen,
    adapters: undefined,
    encoder,
  });
  return {
    group,
    pack,
    current: weightSet(group.views),
    decoding: {
      frozen: parameters.select((name) => !names.has(name) && !isVision(name)),
      trained: parameters.select((name) => names.has(name) && !isVision(name)),
    },
    headIsTrained: names.has(headWeightName(architecture.decoder)),
    dropout: 0,
    reference: createReference({ group, pack, keep, initial: undefined, copied: weightSet }),
    updated() {
      parameters.touch();
      if (trainsVision) model.encoder.clear();
    },
  };
}

async function adapterWeights(model: Model, options: TrainedWeightsOptions): Promise<TrainedWeights> {
  const { engine, architecture, parameters } = model;
  const adapter = model.adapter ?? (await addAdapter(model, options));
  const { group } = adapter;
  const isVision = (name: string): boolean => isVisionParameter(architecture, name);
  const trainsVision = adapter.modules.some(({ name }) => isVision(name));
  const frozen = parameters.select((name) => trainsVision || !isVision(name));
  const pack = (): ParameterGroup => packParameters(engine, group.specs);
  const plainEncoder = trainsVision
    ? createFeatureEncoder(engine, architecture, () => parameters.select(isVision))
    : model.encoder;
  const weightSet = (views: DeviceTensors): WeightSet => ({
    trained: views,
    frozen,
    adapters: adapter.scaling,
    encoder: trainsVision ? undefined : model.encoder,
  });
  const language = Object.entries(group.views).filter(([name]) => !isVision(name));
  return {
    group,
    pack,
    current: weightSet(group.views),
    decoding: { frozen: parameters.select((name) => !isVision(name)), trained: Object.fromEntries(language) },
    headIsTrained: false,
    dropout: adapter.config.dropout,
    reference: createReference({
      group,
      pack,
      keep: false,
      initial: { trained: {}, frozen, adapters: undefined, encoder: plainEncoder },
      copied: weightSet,
    }),
    updated() {
      if (trainsVision) model.encoder.clear();
    },
  };
}

/** Puts a fresh adapter on the model: by default on every linear layer of the decoder. */
async function addAdapter(model: Model, { lora, rng }: TrainedWeightsOptions): Promise<Adapter> {
  const { engine, architecture } = model;
  const prefix = architecture.decoder.prefix.replaceAll(".", "\\.");
  const config: LoraConfig = { ...DEFAULT_LORA, targets: `${prefix}\\.layers\\..*`, ...lora };
  const fill = freshAdapterWeights(rng ?? createRng(0));
  const adapter = await createAdapter(engine, architecture.tensors, config, fill);
  await model.useAdapter(adapter);
  return adapter;
}

/** A copy of a group's numbers. */
export async function copyOf(group: ParameterGroup): Promise<Float32Array> {
  return Float32Array.from(await readFloats(group.flat));
}
