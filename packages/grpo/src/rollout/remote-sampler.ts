import { crc32, deflateSync } from "node:zlib";
import {
  VlmR1Error,
  type CompleteOptions,
  type Completion,
  type CompletionModel,
  type RgbImage,
  type Sample,
} from "@vlmr1/core";
import { z } from "zod";
import { postJson, type HttpOptions } from "@vlmr1/core/http";
import { parseOptions } from "../options.ts";

/** Where a remote sampler is and how patient to be with it. */
export const RemoteSamplerOptions = z.strictObject({
  url: z.url().describe("The server's OpenAI-compatible root, such as http://localhost:8000/v1."),
  model: z.string().describe("The model's name at the server."),
  apiKey: z.string().optional().describe("Sent as a bearer token; absent: none."),
  timeoutMs: z
    .number()
    .positive()
    .default(240_000)
    .describe("Milliseconds to wait for the answers to one prompt."),
  retries: z.int().min(0).default(4).describe("Attempts after the first."),
  retryDelayMs: z
    .number()
    .min(0)
    .default(500)
    .describe("Milliseconds before the first retry; doubles each time."),
  concurrency: z.int().min(1).default(16).describe("Prompts asked at once."),
});
export type RemoteSamplerOptions = z.output<typeof RemoteSamplerOptions>;

/** A sampler on another machine. */
export interface RemoteSampler extends CompletionModel {
  /**
   * Tells the server to load the PEFT adapter at `path` (a path of the *server*) and to answer with it from now on, so that rollouts
   * follow the policy. vLLM needs `VLLM_ALLOW_RUNTIME_LORA_UPDATING=True` and `--enable-lora`.
   */
  loadAdapter(adapter: { readonly name: string; readonly path: string }): Promise<void>;
}

/** log p is at most 0, but for the rounding of another engine's float16. */
const LogProb = z
  .number()
  .max(1e-3)
  .transform((value) => Math.min(value, 0));

const Answer = z.object({
  choices: z.array(
    z.object({
      index: z.int().min(0).default(0),
      finish_reason: z.string().nullable(),
      message: z.object({ content: z.string().nullable() }),
      token_ids: z.array(z.int().min(0)).nullish(),
      logprobs: z
        .object({ content: z.array(z.object({ token: z.string(), logprob: LogProb })).nullable() })
        .nullish(),
    }),
  ),
});

/**
 * A sampler behind an OpenAI-compatible server that returns token ids with their log-probabilities (vLLM's dialect): rollouts leave
 * the machine, training stays. Pictures travel as PNG. Each prompt is one request for all of its answers, with its own seed.
 *
 * The server's tokenizer must be the policy's. Start vLLM with `--logprobs-mode processed_logprobs` when the temperature is not 1, and
 * give the loss a `samplerCorrection`: another engine's numbers are never quite the policy's.
 * @throws VlmR1Error `unavailable` when the server is gone, `invalid-data` when it leaves out token ids or log-probabilities.
 */
export function createRemoteSampler(options: z.input<typeof RemoteSamplerOptions>): RemoteSampler {
  const parsed = parseOptions(RemoteSamplerOptions, options, "Remote sampler options");
  const root = parsed.url.replace(/\/$/, "");
  const { timeoutMs, retries, retryDelayMs, apiKey } = parsed;
  const http: HttpOptions = { timeoutMs, retries, retryDelayMs, ...(apiKey !== undefined && { apiKey }) };
  let { model } = parsed;
  return {
    complete: async (samples, request) => {
      const results: Completion[][] = samples.map(() => []);
      let next = 0;
      const worker = async (): Promise<void> => {
        while (next < samples.length) {
          const i = next++;
          const sample = samples[i] as Sample;
          const seed = request.rng.fork(`prompt-${request.promptNumbers?.[i] ?? i}`).integer(2 ** 31);
          const { signal } = request;
          const body = { ...requestBody(sample, request), model, seed };
          const url = `${root}/chat/completions`;
          const answer = await postJson(url, body, { ...http, ...(signal && { signal }) });
          results[i] = readAnswer(answer, url, sample, request.count);
        }
      };
      await Promise.all(Array.from({ length: Math.min(parsed.concurrency, samples.length) }, worker));
      return results;
    },
    loadAdapter: async ({ name, path }) => {
      // vLLM answers this one with plain text.
      const body = { lora_name: name, lora_path: path, load_inplace: true };
      await postJson(`${root}/load_lora_adapter`, body, { ...http, returns: "text" });
      model = name;
    },
  };
}

/**
 * What is not asked for is sent as a neutral value: a server applies the model's `generation_config.json` to whatever a request leaves
 * out, and then answers from another distribution than the policy's, without a word.
 */
function requestBody(sample: Sample, options: CompleteOptions) {
  const {
    count,
    maxNewTokens,
    temperature = 1,
    topK = 0,
    topP = 1,
    minP = 0,
    repetitionPenalty = 1,
    stop,
  } = options;
  const images = sample.images.map((image) => ({
    type: "image_url",
    image_url: { url: `data:image/png;base64,${encodePng(image).toString("base64")}` },
  }));
  const user = { role: "user", content: [...images, { type: "text", text: sample.prompt }] };
  const system = sample.system === undefined ? [] : [{ role: "system", content: sample.system }];
  return {
    messages: [...system, user],
    n: count,
    logprobs: true,
    return_token_ids: true,
    return_tokens_as_token_ids: true,
    ...(maxNewTokens !== undefined && { max_tokens: maxNewTokens }),
    temperature,
    top_k: topK,
    top_p: topP,
    min_p: minP,
    repetition_penalty: repetitionPenalty,
    presence_penalty: 0,
    frequency_penalty: 0,
    ...(stop && { stop }),
  };
}

function readAnswer(answer: unknown, url: string, sample: Sample, count: number): Completion[] {
  const refuse = (problem: string): never => {
    throw new VlmR1Error("invalid-data", `${url} answered sample ${sample.id} with ${problem}`);
  };
  const parsed = Answer.safeParse(answer);
  if (!parsed.success)
    return refuse(`something that is not a chat completion: ${JSON.stringify(answer)?.slice(0, 200)}`);
  const choices = parsed.data.choices.toSorted((a, b) => a.index - b.index);
  if (new Set(choices.map(({ index }) => index)).size !== choices.length)
    refuse("two choices of the same index.");
  if (choices.length !== count) refuse(`${choices.length} choices, not the ${count} asked for.`);
  return choices.map((choice) => {
    const content = choice.logprobs?.content;
    if (!content) return refuse("no log-probabilities: the server must support logprobs.");
    const tokenIds =
      choice.token_ids ?? content.map(({ token }) => Number(/^token_id:(\d+)$/.exec(token)?.[1] ?? NaN));
    if (tokenIds.some(Number.isNaN)) {
      refuse(
        "texts in place of token ids: the server must support return_token_ids or return_tokens_as_token_ids.",
      );
    }
    if (tokenIds.length !== content.length) {
      refuse(`${tokenIds.length} token ids but ${content.length} log-probabilities.`);
    }
    return {
      text: choice.message.content ?? "",
      tokenIds,
      logProbs: content.map(({ logprob }) => logprob),
      finishReason:
        choice.finish_reason === "length" ? "length" : choice.finish_reason === "abort" ? "aborted" : "stop",
    };
  });
}

const pngSignature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Encodes a picture as PNG (8-bit RGB, no filter): lossless, so a server sees exactly the pixels that the policy sees. */
function encodePng({ width, height, data }: RgbImage): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8); // bit depth, RGB, deflate, adaptive filter, no interlace
  const stride = 3 * width;
  const rows = Buffer.alloc(height * (stride + 1)); // each row begins with its filter type, 0
  for (let y = 0; y < height; y++)
    rows.set(data.subarray(y * stride, (y + 1) * stride), y * (stride + 1) + 1);
  const chunks = [chunk("IHDR", header), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))];
  return Buffer.concat([pngSignature, ...chunks]);
}

function chunk(type: string, content: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "ascii"), content]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(content.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}
