import * as tf from "@tensorflow/tfjs-core";
import type { Compiled, Engine } from "@vlmr1/engine";
import type { KeyValues } from "../network/attention.ts";
import type { FeatureTensors, TokenInputs } from "../network/decoder.ts";
import {
  modelScope,
  type PassConfig,
  prefill,
  type Prefilled,
  type StepInputs,
  stepPass,
} from "../network/passes.ts";
import type { Tensors } from "../network/tensors.ts";
import { type Drawn, pickGreedy, pickSampled } from "./sampling.ts";

/** Scalars and numbers that choose a token. */
interface PickInputs {
  /** `[B]`, in [0, 1) */
  readonly uniforms: tf.Tensor1D;
  readonly temperature: tf.Scalar;
}

/** How a program chooses: `logits` leaves it to the caller. */
export type PickMode = "greedy" | "sampled" | "logits";

/** What a program says about the next token: its choice, or the logits `[B, V]`. */
interface NextToken {
  readonly drawn?: Drawn;
  readonly logits?: tf.Tensor2D;
}

/** One token further. */
interface StepOutput extends NextToken {
  readonly cache: readonly KeyValues[];
  /** See `StepResult`. */
  readonly linears: readonly tf.Tensor1D[];
}

type PrefillFunction = (
  frozen: Tensors,
  trained: Tensors,
  inputs: TokenInputs,
  images: FeatureTensors | null,
) => Prefilled;

type FirstFunction = (logits: tf.Tensor2D, pick: PickInputs) => NextToken;

type StepFunction = (
  frozen: Tensors,
  trained: Tensors,
  prefix: readonly KeyValues[],
  cache: readonly KeyValues[],
  inputs: StepInputs,
  pick: PickInputs,
) => StepOutput;

/** The compiled functions of generation. */
export interface DecoderPrograms {
  readonly prefill: Compiled<Parameters<PrefillFunction>, Prefilled>;
  /** First tokens of G completions from the logits of their prompts, `[P, V]`. */
  first(mode: Exclude<PickMode, "logits">): Compiled<Parameters<FirstFunction>, NextToken>;
  /** With `keepLinears`, a step gives what its linear layers gave, too. */
  step(mode: PickMode, keepLinears: boolean): Compiled<Parameters<StepFunction>, StepOutput>;
  release(): Promise<void>;
}

function choose(mode: PickMode, logits: tf.Tensor2D, pick: PickInputs): NextToken {
  if (mode === "logits") return { logits };
  return {
    drawn: mode === "greedy" ? pickGreedy(logits) : pickSampled(logits, pick.uniforms, pick.temperature),
  };
}

/** Repeats each prompt's row for its completions: `[P, V]` to `[B, V]` with B = P G. */
function forEachCompletion(logits: tf.Tensor2D, rows: number): tf.Tensor2D {
  const [P, V] = logits.shape;
  if (rows === P) return logits;
  return tf.reshape(tf.tile(tf.reshape(logits, [P, 1, V]), [1, rows / P, 1]), [rows, V]);
}

/** How decoding trades memory and exactness for speed. */
interface DecodingOptions {
  /**
   * Frozen weights become constants of the step: faster where few rows meet large matrices, at the price of a second copy of them.
   */
  readonly bake: boolean;
  /** Products of a step with weights in 8 or 4 bits are computed in whole numbers; see `CompileOptions` of the engine. */
  readonly int8Products: boolean;
}

/** Compiles prefill and decoding steps. */
export function createDecoderPrograms(
  engine: Engine,
  config: PassConfig,
  { bake, int8Products }: DecodingOptions,
): DecoderPrograms {
  const prefillProgram = engine.compile<Parameters<PrefillFunction>, Prefilled>(
    (frozen, trained, inputs, images) =>
      prefill(modelScope(config, [frozen, trained]), config, inputs, images ?? undefined),
    { name: "prefill" },
  );
  const firsts = new Map<PickMode, Compiled<Parameters<FirstFunction>, NextToken>>();
  const steps = new Map<string, Compiled<Parameters<StepFunction>, StepOutput>>();
  const first = (mode: Exclude<PickMode, "logits">): Compiled<Parameters<FirstFunction>, NextToken> => {
    const known = firsts.get(mode);
    if (known) return known;
    const program = engine.compile<Parameters<FirstFunction>, NextToken>(
      (logits, pick) => choose(mode, forEachCompletion(logits, pick.uniforms.shape[0]), pick),
      { name: `first token, ${mode}` },
    );
    firsts.set(mode, program);
    return program;
  };
  const step = (mode: PickMode, keepLinears: boolean): Compiled<Parameters<StepFunction>, StepOutput> => {
    const key = `${mode} ${keepLinears}`;
    const known = steps.get(key);
    if (known) return known;
    const program = engine.compile<Parameters<StepFunction>, StepOutput>(
      (frozen, trained, prefix, cache, inputs, pick) => {
        const root = modelScope(config, [frozen, trained]);
        const result = stepPass(root, config, inputs, prefix, cache, keepLinears);
        return { ...choose(mode, result.logits, pick), cache: result.cache, linears: result.linears };
      },
      { name: `decode, ${mode}`, int8Products, ...(bake ? { constant: [0], cacheSize: 2 } : {}) },
    );
    steps.set(key, program);
    return program;
  };
  const release = async (): Promise<void> => {
    for (const program of [prefillProgram, ...firsts.values(), ...steps.values()]) await program.release();
  };
  return { prefill: prefillProgram, first, step, release };
}
