import { VlmR1Error } from "@vlmr1/core";
import { readFloats } from "../host-tree.ts";
import type { DeviceTensors, ParameterGroup } from "../parameters.ts";
import type { WeightSet } from "./trained-weights.ts";

/** The policy that training may not leave too far behind. */
export interface Reference {
  weights(): Promise<WeightSet>;
  /** Called before weights change: the last moment to copy them. */
  beforeChange(): Promise<void>;
  /** ref = mix * policy + (1 - mix) * ref */
  sync(mix: number): Promise<void>;
  /** The reference's numbers once `sync` moved it. */
  moved(): Promise<Float32Array | undefined>;
  set(values: Float32Array): void;
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

/** With an adapter, the reference is the model without it, and costs nothing. In full training it is a copy of the first weights. */
export function createReference({ group, pack, keep, initial, copied }: ReferenceOptions): Reference {
  let copy: ParameterGroup | undefined;
  let isMoved = false;
  let hasChanged = false;
  const copyNow = async (): Promise<ParameterGroup> => {
    copy ??= pack();
    copy.flat.write(await readFloats(group.flat));
    return copy;
  };
  const weights = async (): Promise<WeightSet> => {
    if (copy) return copied(copy.views);
    if (initial) return initial;
    if (!hasChanged) return copied((await copyNow()).views);
    throw new VlmR1Error(
      "invalid-argument",
      "The weights have changed and no copy of the first ones was kept: create the policy with keepReference: true.",
    );
  };
  const sync = async (mix: number): Promise<void> => {
    if (!(mix >= 0 && mix <= 1)) throw new VlmR1Error("invalid-argument", `mix must be in 0..1, got ${mix}.`);
    if (mix === 0) return;
    if (mix < 1 && initial && !copy) {
      throw new VlmR1Error(
        "invalid-argument",
        `A reference without adapter cannot move towards the adapter by ${mix}: set mix to 1, or train the weights themselves.`,
      );
    }
    const now = await readFloats(group.flat);
    const target = copy ? Float32Array.from(await readFloats(copy.flat)) : Float32Array.from(now);
    for (let i = 0; i < target.length; i++)
      target[i] = mix * (now[i] as number) + (1 - mix) * (target[i] as number);
    copy ??= pack();
    copy.flat.write(target);
    isMoved = true;
  };
  return {
    weights,
    sync,
    async beforeChange() {
      if (keep && !hasChanged && !copy) await copyNow();
      hasChanged = true;
    },
    moved: async () => (isMoved && copy ? Float32Array.from(await readFloats(copy.flat)) : undefined),
    set(values) {
      copy ??= pack();
      copy.flat.write(values);
      isMoved = true;
    },
  };
}
