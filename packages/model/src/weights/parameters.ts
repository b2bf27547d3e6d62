import { VlmR1Error } from "@vlmr1/core";
import type { DeviceTensor, Engine } from "@vlmr1/engine";
import type { Architecture } from "../network/architecture.ts";
import { type DeviceTensors, sizeOf, type TensorSpec } from "../network/tensors.ts";

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
  /** The parameters whose names pass. */
  select(accept: (name: string) => boolean): DeviceTensors;
  /** Moves these parameters into one buffer, unless they already are one. From then on the model computes with its views. */
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

/** Allocates parameters in as many buffers as `segments`, each written by `fill` in the order of its specs. */
export async function createParameterStore(
  engine: Engine,
  segments: readonly (readonly TensorSpec[])[],
  fill: (spec: TensorSpec, target: Float32Array) => Promise<void> | void,
): Promise<ParameterStore> {
  const groups: ParameterGroup[] = [];
  for (const specs of segments.filter((segment) => segment.length > 0)) {
    const data = new Float32Array(specs.reduce((sum, spec) => sum + sizeOf(spec), 0));
    let offset = 0;
    for (const spec of specs) {
      const size = sizeOf(spec);
      await fill(spec, data.subarray(offset, offset + size));
      offset += size;
    }
    groups.push(packParameters(engine, specs, data));
  }
  return storeOf(engine, groups);
}

function storeOf(engine: Engine, groups: ParameterGroup[]): ParameterStore {
  const specs = groups.flatMap((group) => group.specs);
  const byName = new Map(specs.map((spec) => [spec.name, spec]));
  const tensors = new Map(groups.flatMap((group) => Object.entries(group.views)));
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
  return { specs, get, select, gather, revision: () => revision, touch: () => void revision++ };
}

/** The image side first, then the decoder: each lies in one buffer, so that training either needs no copy. */
export function segmentsOf({ tensors, vision }: Architecture): TensorSpec[][] {
  const isVision = ({ name }: TensorSpec): boolean =>
    vision?.prefixes.some((prefix) => name.startsWith(`${prefix}.`)) ?? false;
  return [tensors.filter(isVision), tensors.filter((spec) => !isVision(spec))];
}

/** Whether a parameter belongs to the image side of a model. */
export function isVisionParameter({ vision }: Architecture, name: string): boolean {
  return vision?.prefixes.some((prefix) => name.startsWith(`${prefix}.`)) ?? false;
}
