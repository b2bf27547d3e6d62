import { createRng, matchesPattern, type Rng, VlmR1Error } from "@vlmr1/core";
import { createFeatureEncoder, type FeatureEncoder } from "../images/encoder.ts";
import {
  type Adapter,
  createAdapter,
  DEFAULT_LORA,
  freshAdapterWeights,
  type LoraConfig,
} from "../lora/adapter.ts";
import type { Model } from "../model.ts";
import type { Architecture } from "../network/architecture.ts";
import { headWeightName } from "../network/head.ts";
import type { AdapterScaling } from "../network/scope.ts";
import { type DeviceTensors, readFloats } from "../network/tensors.ts";
import { isVisionParameter, packParameters, type ParameterGroup } from "../weights/parameters.ts";

/**
 * What training changes: everything, the decoder (with embedding and head), a low-rank adapter, or the parameters that match one
 * of some patterns, where `*` stands for any text.
 */
export type TrainedPart = "all" | "language" | "lora" | readonly string[];

/**
 * Names of the parameters that full training changes, in the order of the checkpoint.
 *
 * @throws VlmR1Error `invalid-argument` when a pattern matches nothing.
 */
function trainedNames(architecture: Architecture, part: Exclude<TrainedPart, "lora">): string[] {
  const names = architecture.tensors.map(({ name }) => name);
  if (part === "all") return names;
  if (part === "language") return names.filter((name) => !isVisionParameter(architecture, name));
  for (const glob of part) {
    if (names.some((name) => matchesPattern(name, glob))) continue;
    throw new VlmR1Error(
      "invalid-argument",
      `train: "${glob}" matches no parameter. Names look like "${names[0]}".`,
    );
  }
  return names.filter((name) => part.some((glob) => matchesPattern(name, glob)));
}

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
interface TrainedWeightsOptions {
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

/** The policy that training may not leave too far behind. */
interface Reference {
  weights(): Promise<WeightSet>;
  /** Called before weights change: the last moment to copy them. */
  beforeChange(): Promise<void>;
  /** ref = mix * policy + (1 - mix) * ref */
  sync(mix: number): Promise<void>;
  /** The reference's numbers once `sync` moved it. */
  moved(): Promise<Float32Array | undefined>;
  /** What `moved` gave once, or undefined: back to where it was before it was first moved. */
  restore(values: Float32Array | undefined): Promise<void>;
}

interface ReferenceOptions {
  /** The trained weights. */
  readonly group: ParameterGroup;
  readonly pack: () => ParameterGroup;
  /** Whether to copy the weights before they first change. */
  readonly keep: boolean;
  /** What the reference is while nothing was copied; undefined: the trained weights as they were at the start. */
  readonly initial: WeightSet | undefined;
  readonly copied: (views: DeviceTensors) => WeightSet;
}

/**
 * With an adapter, the reference is the model without it, and costs nothing. In full training it is a copy of the first weights; once it
 * is moved, those are kept in host memory as well, for a restored snapshot from before.
 */
function createReference({ group, pack, keep, initial, copied }: ReferenceOptions): Reference {
  let buffer: ParameterGroup | undefined;
  let holds: "nothing" | "first weights" | "moved reference" = "nothing";
  let firstWeights: Float32Array | undefined;
  let hasChanged = false;
  const hold = (what: typeof holds, values: Float32Array): ParameterGroup => {
    buffer ??= pack();
    buffer.flat.write(values);
    holds = what;
    return buffer;
  };
  const move = async (values: Float32Array): Promise<void> => {
    if (holds === "first weights" && buffer) firstWeights = await copyOf(buffer);
    hold("moved reference", values);
  };
  const weights = async (): Promise<WeightSet> => {
    if (holds !== "nothing" && buffer) return copied(buffer.views);
    if (initial) return initial;
    if (!hasChanged) return copied(hold("first weights", await copyOf(group)).views);
    throw new VlmR1Error(
      "invalid-argument",
      "The weights have changed and no copy of the first ones was kept: create the policy with keepReference: true.",
    );
  };
  const sync = async (mix: number): Promise<void> => {
    if (!(mix >= 0 && mix <= 1)) throw new VlmR1Error("invalid-argument", `mix must be in 0..1, got ${mix}.`);
    if (mix === 0) return;
    if (mix < 1 && initial && holds === "nothing") {
      throw new VlmR1Error(
        "invalid-argument",
        `A reference without adapter cannot move towards the adapter by ${mix}: set mix to 1, or train the weights themselves.`,
      );
    }
    const now = await copyOf(group);
    const target = holds !== "nothing" && buffer ? await copyOf(buffer) : now.slice();
    for (let i = 0; i < target.length; i++)
      target[i] = mix * (now[i] as number) + (1 - mix) * (target[i] as number);
    await move(target);
  };
  return {
    weights,
    sync,
    async beforeChange() {
      if (keep && !hasChanged && holds === "nothing") hold("first weights", await copyOf(group));
      hasChanged = true;
    },
    moved: async () => (holds === "moved reference" && buffer ? copyOf(buffer) : undefined),
    async restore(values) {
      if (values) return move(values);
      if (holds !== "moved reference") return;
      if (firstWeights) hold("first weights", firstWeights);
      else holds = "nothing";
    },
  };
}
