import { VlmR1Error } from "@vlmr1/core";
import type { DeviceTensor, Engine, Precision } from "@vlmr1/engine";
import type { Architecture } from "../network/architecture.ts";
import { type DeviceTensors, sizeOf, type TensorSpec } from "../network/tensors.ts";
import { storagePlan, storeWeight, type StoredWeight } from "./precision.ts";

/** Some parameters in ONE buffer: `views` share its memory, in the order of `specs`. */
export interface ParameterGroup {
  readonly specs: readonly TensorSpec[];
  /** `[n]` */
  readonly flat: DeviceTensor;
  readonly views: DeviceTensors;
}

/** All parameters of a model. */
export interface ParameterStore {
  readonly specs: readonly TensorSpec[];
  /** The tensor of a parameter. Throws `VlmR1Error` for a name that the model does not have. */
  get(name: string): DeviceTensor;
  /** What is stored in fewer bits than float32, and is therefore frozen, by name. */
  readonly stored: ReadonlyMap<string, StoredWeight>;
  /** The parameters whose names pass. */
  select(accept: (name: string) => boolean): DeviceTensors;
  /**
   * Moves these parameters into one buffer, unless they already are one. From then on the model computes with its views. Throws
   * `VlmR1Error` `unsupported` when one of them is frozen by the way it is stored.
   */
  gather(names: readonly string[]): Promise<ParameterGroup>;
  /** 0 as loaded; grows with every change of weights that was announced by `touch`. */
  revision(): number;
  /** Says that weights were changed in place: programs that baked them are stale. */
  touch(): void;
}

/** Allocates one buffer for `specs`; `data`, when given, holds its numbers in order (on `cpu` it is not copied). */
export function packParameters(
  engine: Engine,
  specs: readonly TensorSpec[],
  data?: Float32Array,
): ParameterGroup {
  const shapes = Object.fromEntries(specs.map(({ name, shape }) => [name, shape]));
  const { flat, views } = data ? engine.pack(shapes, data) : engine.pack(shapes);
  return { specs, flat, views };
}

/**
 * Allocates parameters in as many buffers as `segments`, each written by `fill` in the order of its specs. With a `precision` below
 * float32, what `storagePlan` names is stored in it, one tensor after the other: no more than one of them is in memory in float32.
 */
export async function createParameterStore(
  engine: Engine,
  segments: readonly (readonly TensorSpec[])[],
  fill: (spec: TensorSpec, target: Float32Array) => Promise<void> | void,
  precision: Precision = "float32",
): Promise<ParameterStore> {
  const groups: ParameterGroup[] = [];
  const plan = storagePlan(segments.flat(), precision);
  const tensors = new Map<string, DeviceTensor>();
  const stored = new Map<string, StoredWeight>();
  for (const segment of segments) {
    const specs = segment.filter(({ name }) => !plan.has(name));
    const data = new Float32Array(specs.reduce((sum, spec) => sum + sizeOf(spec), 0));
    let offset = 0;
    for (const spec of segment) {
      const size = sizeOf(spec);
      const asked = plan.get(spec.name);
      if (asked === undefined) await fill(spec, data.subarray(offset, (offset += size)));
      else {
        const whole = new Float32Array(size);
        await fill(spec, whole);
        const made = storeWeight(engine, whole, spec, asked);
        tensors.set(spec.name, made.tensor);
        stored.set(spec.name, made.stored);
      }
    }
    if (specs.length > 0) groups.push(packParameters(engine, specs, data));
  }
  for (const { views } of groups) for (const [name, view] of Object.entries(views)) tensors.set(name, view);
  return storeOf(engine, segments.flat(), groups, tensors, stored);
}

function storeOf(
  engine: Engine,
  specs: readonly TensorSpec[],
  groups: ParameterGroup[],
  tensors: Map<string, DeviceTensor>,
  stored: ReadonlyMap<string, StoredWeight>,
): ParameterStore {
  const byName = new Map(specs.map((spec) => [spec.name, spec]));
  const get = (name: string): DeviceTensor => {
    const found = tensors.get(name);
    if (found) return found;
    throw new VlmR1Error("invalid-argument", `The model has no parameter "${name}".`);
  };
  const select = (accept: (name: string) => boolean): DeviceTensors =>
    Object.fromEntries([...tensors].filter(([name]) => accept(name)));
  const gather = async (names: readonly string[]): Promise<ParameterGroup> => {
    const wanted = new Set(names);
    const existing = groups.find(
      ({ specs }) => specs.length === wanted.size && specs.every((spec) => wanted.has(spec.name)),
    );
    if (existing) return existing;
    const chosen = names.map((name) => {
      const spec = byName.get(name);
      if (spec) return spec;
      throw new VlmR1Error("invalid-argument", `The model has no parameter "${name}".`);
    });
    const frozen = names.find((name) => stored.has(name));
    if (frozen !== undefined) {
      throw new VlmR1Error(
        "unsupported",
        `"${frozen}" cannot be trained: the model was opened with its weights stored as ${stored.get(frozen)?.precision}. ` +
          'Train an adapter (train: "lora"), or open the model in float32.',
      );
    }
    const group = packParameters(engine, chosen);
    for (const { name } of chosen) {
      const [old, view] = [get(name), group.views[name] as DeviceTensor];
      view.write(await old.read());
      tensors.set(name, view);
      old.dispose();
    }
    groups.push(group);
    return group;
  };
  let revision = 0;
  return { specs, stored, get, select, gather, revision: () => revision, touch: () => void revision++ };
}

/** The image side first, then the decoder: each lies in one buffer, so that training either needs no copy. */
export function segmentsOf(architecture: Architecture): TensorSpec[][] {
  const { tensors } = architecture;
  const isVision = ({ name }: TensorSpec): boolean => isVisionParameter(architecture, name);
  return [tensors.filter(isVision), tensors.filter((spec) => !isVision(spec))];
}

/** Whether a parameter belongs to the image side of a model. */
export function isVisionParameter({ vision }: Architecture, name: string): boolean {
  return vision?.prefixes.some((prefix) => name === prefix || name.startsWith(`${prefix}.`)) ?? false;
}
