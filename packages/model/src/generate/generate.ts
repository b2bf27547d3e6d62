import { type Rng, VlmR1Error } from "@vlmr1/core";
import { batchFeatures, type FeatureEncoder } from "../images/encoder.ts";
import type { Architecture } from "../network/architecture.ts";
import { bucketCount, bucketLength, type Prompt, promptLength } from "../network/inputs.ts";
import {
  type BatchModel,
  type CompletionState,
  finishCompletion,
  generateBatch,
  type GeneratedCompletion,
  type StopRules,
} from "./batch.ts";
import type { LinearsKeeper } from "./kept-linears.ts";
import { checkSampling, type SamplingOptions } from "./sampling.ts";

/** News of completions that are being written. */
export interface GenerationUpdate {
  /** Index of the prompt. */
  readonly prompt: number;
  /** Index of the completion, below `count`. */
  readonly completion: number;
  /** Tokens so far. */
  readonly tokenIds: readonly number[];
  /** Text so far, without control tokens. */
  readonly text: string;
  readonly finished: boolean;
}

/** What to write for each prompt. */
interface GenerateRequest {
  readonly count: number;
  readonly rng: Rng;
  readonly sampling: SamplingOptions;
  readonly rules: StopRules;
  readonly padTokenId: number;
  readonly signal?: AbortSignal | undefined;
  /** See `CompleteOptions` of core: the number under which each prompt draws its noise. Default: its place in this call. */
  readonly promptNumbers?: readonly number[] | undefined;
  /** Called for every completion that got a token. */
  readonly onUpdate?: ((update: GenerationUpdate) => void) | undefined;
  /** Keeps what the linear layers gave, where all completions fit into one batch. */
  readonly keeper?: LinearsKeeper | undefined;
}

/** A model that can write. */
export interface GeneratingModel extends BatchModel {
  readonly architecture: Architecture;
  readonly encoder: FeatureEncoder;
}

/** Completions and score-table entries that one batch may hold; they bound its memory. */
const BATCH_COMPLETIONS = 256;

const BATCH_SCORES = 2 ** 24;

/**
 * Writes `count` completions to each prompt. Prompts of similar length share a batch; each completion draws from its own stream
 * (`rng.fork("<number of the prompt>/<completion>")`), so batches do not change it.
 *
 * @throws VlmR1Error `invalid-argument` for options outside their range, `limit` for a prompt that fills the context.
 */
export async function generateCompletions(
  model: GeneratingModel,
  prompts: readonly Prompt[],
  request: GenerateRequest,
): Promise<GeneratedCompletion[][]> {
  checkSampling(request.sampling);
  checkCounts(request);
  const longest = prompts.reduce((most, prompt) => Math.max(most, prompt.ids.length), 0);
  const room = model.architecture.decoder.contextLength - longest;
  if (room < 1) {
    throw new VlmR1Error(
      "limit",
      `A prompt has ${longest} tokens; the context of the model has ${longest + room}, and a completion needs one. Shorten the prompt or its images.`,
    );
  }
  const rules = { ...request.rules, maxNewTokens: Math.min(request.rules.maxNewTokens, room) };
  const completions: GeneratedCompletion[][] = prompts.map(() => []);
  const batches = planBatches(prompts, request.count);
  const keeper = batches.length === 1 ? request.keeper : undefined;
  for (const batch of batches) {
    const states = await runBatch(model, prompts, batch, { ...request, rules, keeper });
    batch.forEach((prompt, p) => {
      const own = states.slice(p * request.count, (p + 1) * request.count);
      completions[prompt] = own.map((state) => finishCompletion(state, rules));
    });
  }
  return completions;
}

function checkCounts({ count, rules }: GenerateRequest): void {
  if (!Number.isInteger(count) || count < 1) {
    throw new VlmR1Error(
      "invalid-argument",
      `count (completions per prompt) must be at least 1, got ${count}.`,
    );
  }
  if (!Number.isInteger(rules.maxNewTokens) || rules.maxNewTokens < 1) {
    throw new VlmR1Error("invalid-argument", `maxNewTokens must be at least 1, got ${rules.maxNewTokens}.`);
  }
}

/** Indices of prompts that run together: similar lengths, bounded memory. */
function planBatches(prompts: readonly Prompt[], count: number): number[][] {
  const length = (prompt: number): number => (prompts[prompt] as Prompt).ids.length;
  const order = prompts.map((_, i) => i).sort((a, b) => length(b) - length(a) || a - b);
  const batches: number[][] = [];
  for (let at = 0; at < order.length;) {
    const slots = bucketLength(length(order[at] as number));
    const byScores = Math.floor(BATCH_SCORES / slots ** 2);
    const size = Math.max(1, Math.min(Math.floor(BATCH_COMPLETIONS / count), byScores));
    batches.push(order.slice(at, at + size));
    at += size;
  }
  return batches;
}

/** Fills the batch up to a size that a graph exists for; the extra rows count as finished from the start. */
async function runBatch(
  model: GeneratingModel,
  all: readonly Prompt[],
  batch: readonly number[],
  request: GenerateRequest,
): Promise<CompletionState[]> {
  const size = bucketCount(batch.length);
  const filled = Array.from({ length: size }, (_, i) => batch[i] ?? (batch[0] as number));
  const prompts = filled.map((prompt) => all[prompt] as Prompt);
  const longest = Math.max(...prompts.map((prompt) => prompt.ids.length));
  const promptSlots = promptLength(longest);
  const rngs = filled.flatMap((prompt) =>
    Array.from({ length: request.count }, (_, completion) =>
      request.rng.fork(`${request.promptNumbers?.[prompt] ?? prompt}/${completion}`),
    ),
  );
  const report = request.onUpdate && progressReporter(batch, request);
  const kept = request.keeper?.reserve(size * request.count, bucketLength(request.rules.maxNewTokens) - 1);
  const states = await generateBatch(model, {
    kept,
    prompts,
    count: request.count,
    idle: (size - batch.length) * request.count,
    rngs,
    promptSlots,
    slots: bucketLength(longest),
    features: await batchFeatures(model.architecture, model.encoder, prompts, promptSlots),
    sampling: request.sampling,
    rules: request.rules,
    padTokenId: request.padTokenId,
    signal: request.signal,
    onStep: report,
  });
  if (kept) {
    const ids = states.map((state) => state.ids);
    request.keeper?.filled(prompts.slice(0, batch.length), ids.slice(0, batch.length * request.count));
  }
  return states;
}

function progressReporter(
  batch: readonly number[],
  request: GenerateRequest,
): (completions: readonly CompletionState[]) => void {
  const reported = new Map<CompletionState, number>();
  return (completions) => {
    completions.slice(0, batch.length * request.count).forEach((state, row) => {
      if (reported.get(state) === state.ids.length) return;
      reported.set(state, state.ids.length);
      request.onUpdate?.({
        prompt: batch[Math.floor(row / request.count)] as number,
        completion: row % request.count,
        tokenIds: state.ids,
        text: state.text ?? request.rules.decode(state.ids),
        finished: state.finished !== undefined,
      });
    });
  };
}
