import { type Rng, VlmR1Error } from "@vlmr1/core";
import type { DeviceTensor, Engine } from "@vlmr1/engine";
import type { BatchFeatures } from "../images/encoder.ts";
import { HIDDEN } from "../network/attention.ts";
import type { DecoderConfig } from "../network/decoder.ts";
import { bucketLength, completionRotary, type Prompt, promptInputs } from "../network/inputs.ts";
import {
  type DeviceTensors,
  disposeTree,
  type HostTensor,
  readFloats,
  readInts,
  withUploaded,
} from "../network/tensors.ts";
import { clearSteps, keepStep, type KeptLinears } from "./kept-linears.ts";
import type { DecoderPrograms, PickMode } from "./programs.ts";
import { type Draw, drawToken, isPlainSampling, type SamplingOptions } from "./sampling.ts";

/** What is wanted of one completion. */
export interface StopRules {
  readonly stopTokenIds: ReadonlySet<number>;
  readonly stopStrings: readonly string[];
  readonly maxNewTokens: number;
  /** Text of tokens without control tokens. */
  decode(ids: readonly number[]): string;
}

/** A finished completion. */
export interface GeneratedCompletion {
  /** Without control tokens, and without the stop string that ended it. */
  readonly text: string;
  /** The tokens that were drawn, the stop token included. */
  readonly tokenIds: readonly number[];
  /** log p of each token under the distribution that was sampled; 0 when greedy. */
  readonly logProbs: readonly number[];
  /** log p of each token under the model's own distribution (temperature 1, nothing removed). */
  readonly rawLogProbs: readonly number[];
  readonly finishReason: "stop" | "length" | "aborted";
}

/** One completion while it is written. */
export interface CompletionState {
  readonly ids: number[];
  readonly logProbs: number[];
  readonly rawLogProbs: number[];
  finished: "stop" | "length" | "aborted" | undefined;
  /** Set when a stop string ended the completion: the text before it. */
  text: string | undefined;
}

/** Everything that one batch of prompts needs. */
interface BatchRequest {
  readonly prompts: readonly Prompt[];
  /** Completions to each prompt. */
  readonly count: number;
  /** Completions at the end that only fill the batch. */
  readonly idle: number;
  /** One stream for each completion, prompt by prompt. */
  readonly rngs: readonly Rng[];
  /** Slots of a prompt in prefill, and in decoding. */
  readonly promptSlots: number;
  readonly slots: number;
  readonly features: BatchFeatures | null;
  readonly sampling: SamplingOptions;
  readonly rules: StopRules;
  readonly padTokenId: number;
  readonly signal?: AbortSignal | undefined;
  /** Called after each step with the completions so far. */
  readonly onStep?: ((completions: readonly CompletionState[]) => void) | undefined;
  /** Filled with what the linear layers give for the tokens of the completions. */
  readonly kept?: KeptLinears | undefined;
}

/** The model side of a batch. */
export interface BatchModel {
  readonly engine: Engine;
  readonly decoder: DecoderConfig;
  readonly programs: DecoderPrograms;
  readonly frozen: DeviceTensors;
  readonly trained: DeviceTensors;
  /** Weights of decoding steps where they are not those of prefill: stored in fewer bits. */
  readonly stepWeights?: { readonly frozen: DeviceTensors; readonly trained: DeviceTensors } | undefined;
}

interface KeyValueTensors {
  readonly keys: DeviceTensor;
  readonly values: DeviceTensor;
}

interface NextOutput {
  readonly drawn?: {
    readonly ids: DeviceTensor;
    readonly logProbs: DeviceTensor;
    readonly rawLogProbs: DeviceTensor;
  };
  readonly logits?: DeviceTensor;
}

interface CompletionCache {
  readonly capacity: number;
  readonly layers: readonly KeyValueTensors[];
  readonly bias: HostTensor & { data: Float32Array };
}

/** Writes the completions of one batch, token by token. */
export async function generateBatch(model: BatchModel, request: BatchRequest): Promise<CompletionState[]> {
  const { engine, decoder, programs } = model;
  const { prompts, count, rules, promptSlots } = request;
  const completions = Array.from({ length: prompts.length * count }, newCompletion);
  for (const filler of completions.slice(completions.length - request.idle)) filler.finished = "length";
  const mode = pickMode(request.sampling);
  const inputs = { inputs: promptInputs(decoder, prompts, promptSlots), images: request.features };
  const ready = await withUploaded(engine, inputs, ({ inputs, images }) =>
    programs.prefill(model.frozen, model.trained, inputs, images),
  );
  const cache = emptyCache(model, request);
  try {
    await firstTokens(model, request, mode, ready.logits, completions);
    const prefix = ready.pastKeyValues as readonly KeyValueTensors[];
    let t = 0;
    for (; t + 1 < rules.maxNewTokens && !allDone(completions, request); t++) {
      await step(model, request, mode, prefix, cache, completions, t);
    }
    if (request.kept) clearSteps(request.kept, t);
  } finally {
    disposeTree([ready, cache.layers]);
  }
  for (const completion of completions) completion.finished ??= "aborted";
  return completions;
}

function pickMode(sampling: SamplingOptions): PickMode {
  if (!isPlainSampling(sampling)) return "logits";
  return sampling.temperature === 0 ? "greedy" : "sampled";
}

function emptyCache(
  { engine, decoder }: BatchModel,
  { prompts, count, rules, slots }: BatchRequest,
): CompletionCache {
  const capacity = bucketLength(rules.maxNewTokens - 1);
  const shape = [prompts.length, decoder.keyValueHeads * count, capacity, decoder.headDim];
  const layers = Array.from({ length: decoder.layers }, () => ({
    keys: engine.zeros(shape),
    values: engine.zeros(shape),
  }));
  return { capacity, layers, bias: stepBias(prompts, slots, capacity) };
}

/** What each step sees: the prompt without padding, the tokens before it, itself. `[P, 1, 1, S + C + 1]` */
function stepBias(
  prompts: readonly Prompt[],
  slots: number,
  capacity: number,
): HostTensor & { data: Float32Array } {
  const width = slots + capacity + 1;
  const data = new Float32Array(prompts.length * width).fill(HIDDEN);
  prompts.forEach((prompt, p) => {
    data.fill(0, p * width + slots - prompt.ids.length, p * width + slots);
    data[(p + 1) * width - 1] = 0;
  });
  return { data, shape: [prompts.length, 1, 1, width] };
}

async function firstTokens(
  { engine, programs }: BatchModel,
  request: BatchRequest,
  mode: PickMode,
  logits: DeviceTensor,
  completions: readonly CompletionState[],
): Promise<void> {
  const uniforms = drawUniforms(request, completions);
  const { temperature } = request.sampling;
  const host = { data: uniforms, shape: [uniforms.length] };
  const next = await withUploaded(engine, host, async (uniforms): Promise<NextOutput> => {
    if (mode === "logits") return { logits };
    return (await programs.first(mode)(logits, { uniforms, temperature })) as NextOutput;
  });
  await take(next, request, completions, uniforms);
}

/** Feeds token t of every completion and draws the next. */
async function step(
  model: BatchModel,
  request: BatchRequest,
  mode: PickMode,
  prefix: readonly KeyValueTensors[],
  cache: CompletionCache,
  completions: readonly CompletionState[],
  t: number,
): Promise<void> {
  const { engine, decoder, programs } = model;
  const { frozen, trained } = model.stepWeights ?? model;
  const { prompts, slots, kept } = request;
  const ids = Int32Array.from(completions, (completion) =>
    completion.ids.length > t ? (completion.ids[t] as number) : request.padTokenId,
  );
  const width = slots + cache.capacity + 1;
  if (t > 0) prompts.forEach((_, p) => (cache.bias.data[p * width + slots + t - 1] = 0));
  const uniforms = drawUniforms(request, completions);
  const host = {
    inputs: {
      ids: { data: ids, shape: [ids.length] },
      rotary: completionRotary(decoder, prompts, t, 1),
      bias: cache.bias,
      start: { data: Int32Array.of(0, 0, t, 0), shape: [4] },
    },
    uniforms: { data: uniforms, shape: [uniforms.length] },
  };
  const { temperature } = request.sampling;
  const output = await withUploaded(engine, host, ({ inputs, uniforms }) =>
    programs
      .step(mode, kept !== undefined)
      .into({ cache: cache.layers }, frozen, trained, prefix, cache.layers, inputs, {
        uniforms,
        temperature,
      }),
  );
  if (kept) await keepStep(kept, t, output.linears as readonly DeviceTensor[]);
  disposeTree(output.linears);
  await take(
    output.drawn ? { drawn: output.drawn } : { logits: output.logits as DeviceTensor },
    request,
    completions,
    uniforms,
  );
}

function allDone(completions: readonly CompletionState[], request: BatchRequest): boolean {
  return request.signal?.aborted === true || completions.every((completion) => completion.finished);
}

/** One uniform number for each completion that still runs. */
function drawUniforms(request: BatchRequest, completions: readonly CompletionState[]): Float32Array {
  return Float32Array.from(completions, (completion, row) =>
    completion.finished ? 0 : (request.rngs[row] as Rng).uniform(),
  );
}

/** Reads the draws, gives them to the completions that still run, and frees the tensors. */
async function take(
  next: NextOutput,
  request: BatchRequest,
  completions: readonly CompletionState[],
  uniforms: Float32Array,
): Promise<void> {
  const draws = await readDraws(next, request, completions, uniforms);
  disposeTree(next);
  completions.forEach((completion, row) => {
    if (completion.finished) return;
    checkDraw(draws[row] as Draw);
    extendCompletion(completion, draws[row] as Draw, request.rules);
  });
  request.onStep?.(completions);
}

/** Draws of all rows: read from the graph, or made here from its logits. */
async function readDraws(
  next: NextOutput,
  request: BatchRequest,
  completions: readonly CompletionState[],
  uniforms: Float32Array,
): Promise<Draw[]> {
  if (next.drawn) {
    const [ids, logProbs, raw] = [
      await readInts(next.drawn.ids),
      await readFloats(next.drawn.logProbs),
      await readFloats(next.drawn.rawLogProbs),
    ];
    return Array.from(ids, (id, row) => ({
      id,
      logProb: Math.min(0, logProbs[row] as number),
      rawLogProb: Math.min(0, raw[row] as number),
    }));
  }
  const logits = next.logits as DeviceTensor;
  const data = await readFloats(logits);
  const V = logits.shape[1] as number;
  const shared = data.length / V === request.prompts.length ? request.count : 1; // first token: one row per prompt
  return completions.map((completion, row) => {
    if (completion.finished) return { id: request.padTokenId, logProb: 0, rawLogProb: 0 };
    const at = Math.floor(row / shared) * V;
    const seen = [...(request.prompts[Math.floor(row / request.count)] as Prompt).ids, ...completion.ids];
    return drawToken(data.subarray(at, at + V), seen, request.sampling, uniforms[row] as number);
  });
}

/** Infinite logits make every probability NaN, and the token drawn from them has no meaning. */
function checkDraw({ logProb, rawLogProb }: Draw): void {
  if (!Number.isNaN(logProb) && !Number.isNaN(rawLogProb)) return;
  throw new VlmR1Error(
    "invalid-data",
    "The model's logits are not finite: its weights are damaged or so large that float32 overflows. Use the original weights, or an earlier checkpoint.",
  );
}

function newCompletion(): CompletionState {
  return { ids: [], logProbs: [], rawLogProbs: [], finished: undefined, text: undefined };
}

/** Appends a token and decides whether the completion ends with it. */
function extendCompletion(completion: CompletionState, draw: Draw, rules: StopRules): void {
  completion.ids.push(draw.id);
  completion.logProbs.push(draw.logProb);
  completion.rawLogProbs.push(draw.rawLogProb);
  if (rules.stopTokenIds.has(draw.id)) completion.finished = "stop";
  else if (rules.stopStrings.length > 0) endAtStopString(completion, rules);
  if (!completion.finished && completion.ids.length >= rules.maxNewTokens) completion.finished = "length";
}

function endAtStopString(completion: CompletionState, rules: StopRules): void {
  const text = rules.decode(completion.ids);
  const ends = rules.stopStrings.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
  if (ends.length === 0) return;
  completion.finished = "stop";
  completion.text = text.slice(0, Math.min(...ends));
}

export function finishCompletion(completion: CompletionState, rules: StopRules): GeneratedCompletion {
  return {
    text: completion.text ?? rules.decode(completion.ids),
    tokenIds: completion.ids,
    logProbs: completion.logProbs,
    rawLogProbs: completion.rawLogProbs,
    finishReason: completion.finished ?? "aborted",
  };
}
