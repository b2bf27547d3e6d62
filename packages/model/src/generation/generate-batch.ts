import type { DeviceTensor, Engine } from "@vlmr1/engine";
import type { Rng } from "@vlmr1/core";
import type { DecoderConfig, HostTensor } from "../family.ts";
import { disposeTree, readFloats, readInts, withUploaded } from "../host-tree.ts";
import type { DeviceTensors } from "../parameters.ts";
import { answerRotary, promptInputs, type Prompt } from "../prompt-batch.ts";
import { bucketLength } from "../buckets.ts";
import { extendAnswer, newAnswer, type AnswerState, type StopRules } from "./answer-state.ts";
import type { DecoderPrograms, PickMode } from "./decoder-programs.ts";
import { clearSteps, keepStep, type KeptLinears } from "./kept-linears.ts";
import { drawToken, type Draw } from "./sample-on-host.ts";
import { isPlainSampling, type SamplingOptions } from "./sampling-options.ts";
import { HIDDEN } from "../layers/attention.ts";

/** Features of the images of a batch, placed in the slots of its prompts. */
export interface BatchFeatures {
  readonly features: HostTensor;
  readonly deepstack: readonly HostTensor[];
  readonly slots: { readonly rows: HostTensor; readonly mask: HostTensor };
}

/** Everything that one batch of prompts needs. */
export interface BatchRequest {
  readonly prompts: readonly Prompt[];
  /** Answers to each prompt. */
  readonly count: number;
  /** Answers at the end that only fill the batch. */
  readonly idle: number;
  /** One stream for each answer, prompt by prompt. */
  readonly rngs: readonly Rng[];
  /** Slots of a prompt in prefill, and in decoding. */
  readonly promptSlots: number;
  readonly slots: number;
  readonly features: BatchFeatures | null;
  readonly sampling: SamplingOptions;
  readonly rules: StopRules;
  readonly padTokenId: number;
  readonly signal?: AbortSignal | undefined;
  /** Called after each step with the answers so far. */
  readonly onStep?: ((answers: readonly AnswerState[]) => void) | undefined;
  /** Filled with what the linear layers give for the tokens of the answers. */
  readonly kept?: KeptLinears | undefined;
}

/** The model side of a batch. */
export interface BatchModel {
  readonly engine: Engine;
  readonly decoder: DecoderConfig;
  readonly programs: DecoderPrograms;
  readonly frozen: DeviceTensors;
  readonly trained: DeviceTensors;
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

function pickMode(sampling: SamplingOptions): PickMode {
  if (!isPlainSampling(sampling)) return "logits";
  return sampling.temperature === 0 ? "greedy" : "sampled";
}

/** Draws of all rows: read from the graph, or made here from its logits. */
async function readDraws(
  next: NextOutput,
  request: BatchRequest,
  answers: readonly AnswerState[],
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
  return answers.map((answer, row) => {
    if (answer.finished) return { id: request.padTokenId, logProb: 0, rawLogProb: 0 };
    const at = Math.floor(row / shared) * V;
    const seen = [...(request.prompts[Math.floor(row / request.count)] as Prompt).ids, ...answer.ids];
    return drawToken(data.subarray(at, at + V), seen, request.sampling, uniforms[row] as number);
  });
}

/** One uniform number for each answer that still runs. */
function drawUniforms(request: BatchRequest, answers: readonly AnswerState[]): Float32Array {
  return Float32Array.from(answers, (answer, row) =>
    answer.finished ? 0 : (request.rngs[row] as Rng).uniform(),
  );
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

/** Writes the answers of one batch, token by token. */
export async function generateBatch(model: BatchModel, request: BatchRequest): Promise<AnswerState[]> {
  const { engine, decoder, programs } = model;
  const { prompts, count, rules, promptSlots } = request;
  const answers = Array.from({ length: prompts.length * count }, newAnswer);
  for (const filler of answers.slice(answers.length - request.idle)) filler.finished = "length";
  const mode = pickMode(request.sampling);
  const inputs = { inputs: promptInputs(decoder, prompts, promptSlots), images: request.features };
  const ready = await withUploaded(engine, inputs, ({ inputs, images }) =>
    programs.prefill(model.frozen, model.trained, inputs, images),
  );
  const cache = emptyCache(model, request);
  try {
    await firstTokens(model, request, mode, ready.logits, answers);
    const prefix = ready.keyValues as readonly KeyValueTensors[];
    let t = 0;
    for (; t + 1 < rules.maxNewTokens && !allDone(answers, request); t++) {
      await step(model, request, mode, prefix, cache, answers, t);
    }
    if (request.kept) clearSteps(request.kept, t);
  } finally {
    disposeTree([ready, cache.layers]);
  }
  for (const answer of answers) answer.finished ??= "aborted";
  return answers;
}

/** Reads the draws, gives them to the answers that still run, and frees the tensors. */
async function take(
  next: NextOutput,
  request: BatchRequest,
  answers: readonly AnswerState[],
  uniforms: Float32Array,
): Promise<void> {
  const draws = await readDraws(next, request, answers, uniforms);
  disposeTree(next);
  answers.forEach((answer, row) => {
    if (!answer.finished) extendAnswer(answer, draws[row] as Draw, request.rules);
  });
  request.onStep?.(answers);
}

async function firstTokens(
  { engine, programs }: BatchModel,
  request: BatchRequest,
  mode: PickMode,
  logits: DeviceTensor,
  answers: readonly AnswerState[],
): Promise<void> {
  const uniforms = drawUniforms(request, answers);
  const { temperature } = request.sampling;
  const host = { data: uniforms, shape: [uniforms.length] };
  const next = await withUploaded(engine, host, async (uniforms): Promise<NextOutput> => {
    if (mode === "logits") return { logits };
    return (await programs.first(mode)(logits, { uniforms, temperature })) as NextOutput;
  });
  await take(next, request, answers, uniforms);
}

function allDone(answers: readonly AnswerState[], request: BatchRequest): boolean {
  return request.signal?.aborted === true || answers.every((answer) => answer.finished);
}

interface AnswerCache {
  readonly capacity: number;
  readonly layers: readonly KeyValueTensors[];
  readonly bias: HostTensor & { data: Float32Array };
}

function emptyCache(
  { engine, decoder }: BatchModel,
  { prompts, count, rules, slots }: BatchRequest,
): AnswerCache {
  const capacity = bucketLength(rules.maxNewTokens - 1);
  const shape = [prompts.length, decoder.keyValueHeads * count, capacity, decoder.headDim];
  const layers = Array.from({ length: decoder.layers }, () => ({
    keys: engine.zeros(shape),
    values: engine.zeros(shape),
  }));
  return { capacity, layers, bias: stepBias(prompts, slots, capacity) };
}

/** Feeds token t of every answer and draws the next. */
async function step(
  model: BatchModel,
  request: BatchRequest,
  mode: PickMode,
  prefix: readonly KeyValueTensors[],
  cache: AnswerCache,
  answers: readonly AnswerState[],
  t: number,
): Promise<void> {
  const { engine, decoder, programs } = model;
  const { prompts, slots, kept } = request;
  const ids = Int32Array.from(answers, (answer) =>
    answer.ids.length > t ? (answer.ids[t] as number) : request.padTokenId,
  );
  const width = slots + cache.capacity + 1;
  if (t > 0) prompts.forEach((_, p) => (cache.bias.data[p * width + slots + t - 1] = 0));
  const uniforms = drawUniforms(request, answers);
  const host = {
    inputs: {
      ids: { data: ids, shape: [ids.length] },
      rotary: answerRotary(decoder, prompts, t, 1),
      bias: cache.bias,
      start: { data: Int32Array.of(0, 0, t, 0), shape: [4] },
    },
    uniforms: { data: uniforms, shape: [uniforms.length] },
  };
  const { temperature } = request.sampling;
  const output = await withUploaded(engine, host, ({ inputs, uniforms }) =>
    programs
      .step(mode, kept !== undefined)
      .into({ cache: cache.layers }, model.frozen, model.trained, prefix, cache.layers, inputs, {
        uniforms,
        temperature,
      }),
  );
  if (kept) await keepStep(kept, t, output.linears as readonly DeviceTensor[]);
  disposeTree(output.linears);
  await take(
    output.drawn ? { drawn: output.drawn } : { logits: output.logits as DeviceTensor },
    request,
    answers,
    uniforms,
  );
}
