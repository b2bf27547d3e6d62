import * as tf from "@tensorflow/tfjs-core";
import { VlmR1Error } from "@vlmr1/core";
import type { DeviceTensor, Engine } from "@vlmr1/engine";
import {
  clipFactor,
  type ApplyOptions,
  type ApplyReport,
  type NothingUnread,
  type Optimizer,
  type ParameterLayout,
} from "@vlmr1/policy";
import { disposeTree, readFloats, sizeOf } from "../network/tensors.ts";
import type { ParameterGroup } from "../weights/parameters.ts";

/** The flat buffers of one trained group: gradients and the state of the optimizer, beside the parameters themselves. */
export interface ParameterUpdater {
  /** Views of the gradient buffer by parameter name; whoever writes them calls `accumulated`. */
  gradientTarget(): ParameterGroup;
  /** Adds what was written to the gradient of this step; `loss` is what it is the gradient of. */
  accumulated(loss: number): Promise<void>;
  apply(optimizer: Optimizer, options: ApplyOptions): Promise<ApplyReport>;
  discard(): void;
  /** Copies of the buffers of the optimizer, by name. */
  optimizerState(): Promise<Record<string, Float32Array>>;
  /** Replaces them. */
  setOptimizerState(state: Readonly<Record<string, Float32Array>>): void;
}

/** Where each parameter of a group lies. */
function layoutOf({ specs }: ParameterGroup): ParameterLayout {
  let offset = 0;
  const spans = specs.map((spec) => {
    const span = { path: spec.name, shape: spec.shape, offset, size: sizeOf(spec) };
    offset += span.size;
    return span;
  });
  return { size: offset, spans };
}

type Flats = Readonly<Record<string, tf.Tensor1D>>;

type Scalars = Readonly<Record<string, tf.Scalar>>;

function compileUpdate(engine: Engine, optimizer: Optimizer, layout: ParameterLayout) {
  return engine.compile(
    (
      gradients: tf.Tensor1D,
      parameters: tf.Tensor1D,
      state: Flats,
      scalars: Scalars,
      constants: Flats,
      clip: tf.Scalar,
    ) => {
      const scaled = tf.mul(gradients, clip) as tf.Tensor1D;
      return optimizer.update({ gradients: scaled, parameters, state, scalars, constants }, layout);
    },
    { name: `update by ${optimizer.key}` },
  );
}

interface Prepared {
  readonly program: ReturnType<typeof compileUpdate>;
  readonly constants: Record<string, DeviceTensor>;
}

/** The buffers of the optimizer, zeros until they are used. */
function createOptimizerState(engine: Engine, size: number) {
  const state = new Map<string, DeviceTensor>();
  const tensors = (names: readonly string[]): Record<string, DeviceTensor> =>
    Object.fromEntries(
      names.map((name) => {
        const tensor = state.get(name) ?? engine.zeros([size]);
        state.set(name, tensor);
        return [name, tensor];
      }),
    );
  return {
    tensors,
    async copies(): Promise<Record<string, Float32Array>> {
      const copies: Record<string, Float32Array> = {};
      for (const [name, tensor] of state) copies[name] = Float32Array.from(await readFloats(tensor));
      return copies;
    },
    set(values: Readonly<Record<string, Float32Array>>): void {
      for (const [name, tensor] of state) if (!values[name]) tensor.write(new Float32Array(size));
      for (const [name, buffer] of Object.entries(values)) tensors([name])[name]?.write(buffer);
    },
  };
}

/** The L2 norm of a flat buffer. */
function compileNorm(engine: Engine): (flat: DeviceTensor) => Promise<number> {
  const squares = engine.compile((flat: tf.Tensor1D): tf.Scalar => tf.sum(tf.square(flat)), { name: "norm" });
  return async (flat) => {
    const result = await squares(flat);
    const [square] = await readFloats(result);
    disposeTree(result);
    return Math.sqrt(square as number);
  };
}

/** The gradient of one step, added up over its micro-batches. */
function createGradientSum(engine: Engine, pack: () => ParameterGroup) {
  const sum = pack();
  let scratch: ParameterGroup | undefined;
  let [count, loss] = [0, 0];
  const add = engine.compile((a: tf.Tensor1D, b: tf.Tensor1D): tf.Tensor1D => tf.add(a, b), {
    name: "add gradients",
  });
  const norm = compileNorm(engine);
  return {
    flat: sum.flat,
    target: (): ParameterGroup => (count === 0 ? sum : (scratch ??= pack())),
    async added(part: number): Promise<void> {
      loss += part;
      if (count++ > 0 && scratch) await add.into(sum.flat, sum.flat, scratch.flat);
    },
    isEmpty: (): boolean => count === 0,
    /** Whether the losses that it is the gradient of are numbers. */
    isOfNumbers: (): boolean => Number.isFinite(loss),
    clear(): void {
      [count, loss] = [0, 0];
    },
    norm: () => norm(sum.flat),
  };
}

/** Keeps gradient and optimizer state of a group, and updates its parameters in place. */
export function createUpdater(
  engine: Engine,
  group: ParameterGroup,
  pack: () => ParameterGroup,
): ParameterUpdater {
  const layout = layoutOf(group);
  const sum = createGradientSum(engine, pack);
  const optimizerState = createOptimizerState(engine, layout.size);
  const norm = compileNorm(engine);
  let weightNorm: number | undefined; // of the weights of now; unknown when somebody else set them
  const prepared = new Map<string, Prepared>();
  const prepare = (optimizer: Optimizer): Prepared => {
    const known = prepared.get(optimizer.key);
    if (known) return known;
    const constants = Object.fromEntries(
      Object.entries(optimizer.constants(layout)).map(([name, values]) => [name, engine.tensor(values)]),
    );
    const made = { program: compileUpdate(engine, optimizer, layout), constants };
    prepared.set(optimizer.key, made);
    return made;
  };
  return {
    gradientTarget: () => sum.target(),
    accumulated: (loss) => sum.added(loss),
    async apply(optimizer, { learningRate, step, maxGradientNorm, combineGradient, ...unread }) {
      unread satisfies NothingUnread;
      if (sum.isEmpty() && combineGradient) sum.flat.write(new Float32Array(layout.size));
      else if (sum.isEmpty()) {
        throw new VlmR1Error("invalid-argument", "apply() without a gradient: call accumulate() first.");
      }
      // A gradient can be finite where its loss is not. As NaN it stops the update here and in every other process.
      if (!sum.isOfNumbers()) sum.flat.write(new Float32Array(layout.size).fill(NaN));
      sum.clear();
      if (combineGradient) {
        const gradient = await readFloats(sum.flat);
        await combineGradient(gradient);
        sum.flat.write(gradient);
      }
      const gradientNorm = await sum.norm();
      if (!Number.isFinite(gradientNorm)) return { gradientNorm, applied: false };
      const clip = clipFactor(gradientNorm, maxGradientNorm);
      const { program, constants } = prepare(optimizer);
      const state = optimizerState.tensors(optimizer.stateNames);
      const scalars = optimizer.scalars({ learningRate, step });
      const target = { parameters: group.flat, state };
      const before = weightNorm ?? (await norm(group.flat));
      await program.into(target, sum.flat, group.flat, state, scalars, constants, clip);
      weightNorm = await norm(group.flat);
      return { gradientNorm, applied: true, weightGrowth: before === 0 ? 1 : weightNorm / before };
    },
    discard: () => sum.clear(),
    optimizerState: () => optimizerState.copies(),
    setOptimizerState(values) {
      weightNorm = undefined;
      optimizerState.set(values);
    },
  };
}
