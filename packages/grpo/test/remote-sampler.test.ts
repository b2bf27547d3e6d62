import "@tensorflow/tfjs"; // a backend for tablePolicy
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createRng, type Sample } from "@vlmr1/core";
import { afterEach, describe, expect, test } from "vitest";
import { createRemoteSampler } from "../src/rollout/remote-sampler.ts";
import { grpoLoss } from "../src/loss/grpo.ts";
import { train } from "../src/train.ts";
import { tablePolicy } from "@vlmr1/policy/testing";
import { fakeDataset } from "./fake-dataset.ts";

interface Body {
  model: string;
  n: number;
  seed: number;
  temperature?: number;
  max_tokens?: number;
  messages: { role: string; content: { type: string; text?: string; image_url?: { url: string } }[] }[];
}
type Handler = (body: Body, response: ServerResponse, request: IncomingMessage) => void | Promise<void>;

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** A server on this machine that answers with `handler`. */
async function serve(handler: Handler): Promise<string> {
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on(
      "end",
      () => void handler(JSON.parse(Buffer.concat(parts).toString()) as Body, response, request),
    );
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}

/** `n` answers in vLLM's form. */
function choices(n: number, form: "token_ids" | "token_id:" = "token_ids") {
  return {
    choices: Array.from({ length: n }, (_, index) => ({
      index,
      finish_reason: index === 0 ? "length" : "stop",
      message: { role: "assistant", content: `answer ${index}` },
      ...(form === "token_ids" && { token_ids: [7, index] }),
      logprobs: {
        content: [7, index].map((id) => ({
          token: form === "token_ids" ? "x" : `token_id:${id}`,
          logprob: -0.5 - id,
          bytes: null,
          top_logprobs: [],
        })),
      },
    })),
  };
}

const send = (response: ServerResponse, value: unknown, status = 200) =>
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
const sample: Sample = {
  id: "s1",
  prompt: "Where?",
  system: "Be brief.",
  images: [{ width: 2, height: 1, data: Uint8Array.of(255, 0, 0, 0, 0, 255) }],
  target: undefined,
};
const quick = { model: "m", retryDelayMs: 1, timeoutMs: 2000 };
const ask = { count: 2, rng: createRng(1), maxNewTokens: 5, temperature: 0.7 };

describe("createRemoteSampler", () => {
  test("asks for n answers with picture, options and seed, and reads tokens and log-probabilities", async () => {
    const seen: Body[] = [];
    const headers: (string | undefined)[] = [];
    const url = await serve((body, response, request) => {
      seen.push(body);
      headers.push(request.headers.authorization);
      send(response, choices(body.n));
    });
    const sampler = createRemoteSampler({ url, ...quick, apiKey: "secret" });
    const [answers] = await sampler.complete([sample], {
      ...ask,
      topK: 5,
      topP: 0.9,
      minP: 0.1,
      stop: ["\n"],
    });
    expect(answers).toEqual([
      { text: "answer 0", tokenIds: [7, 0], logProbs: [-7.5, -0.5], finishReason: "length" },
      { text: "answer 1", tokenIds: [7, 1], logProbs: [-7.5, -1.5], finishReason: "stop" },
    ]);
    expect(headers).toEqual(["Bearer secret"]);
    expect(seen[0]).toMatchObject({
      model: "m",
      n: 2,
      max_tokens: 5,
      temperature: 0.7,
      top_k: 5,
      top_p: 0.9,
      min_p: 0.1,
      stop: ["\n"],
      logprobs: true,
      return_token_ids: true,
    });
    expect(seen[0]?.messages[0]).toEqual({ role: "system", content: "Be brief." });
    const [picture, text] = seen[0]?.messages[1]?.content ?? [];
    expect(text).toEqual({ type: "text", text: "Where?" });
    expect(picture?.image_url?.url.startsWith("data:image/png;base64,iVBORw0KGgo")).toBe(true);
    await sampler.complete([sample], ask);
    expect(seen[1]?.seed).toBe(seen[0]?.seed);
    // A server's generation_config.json would decide what a request leaves out.
    const neutral = { top_k: 0, top_p: 1, min_p: 0, repetition_penalty: 1, presence_penalty: 0 };
    expect(seen[1]).toMatchObject({ temperature: 0.7, ...neutral, frequency_penalty: 0 });
    await sampler.complete([sample], { ...ask, rng: createRng(2) });
    expect(seen[2]?.seed).not.toBe(seen[0]?.seed);
  });

  test("reads vLLM's older form, token_id:N", async () => {
    const url = await serve((body, response) => void send(response, choices(body.n, "token_id:")));
    const [answers] = await createRemoteSampler({ url, ...quick }).complete([sample], ask);
    expect(answers?.map(({ tokenIds }) => tokenIds)).toEqual([
      [7, 0],
      [7, 1],
    ]);
  });

  test("keeps answers in the order of the prompts, never asking more than `concurrency` at once", async () => {
    let [active, most] = [0, 0];
    const url = await serve(async (body, response) => {
      most = Math.max(most, ++active);
      const text = body.messages.at(-1)?.content.at(-1)?.text ?? "";
      await new Promise((resolve) => setTimeout(resolve, 100 - 10 * Number(text)));
      active--;
      const answer = choices(body.n);
      (answer.choices[0] as { message: { content: string } }).message.content = text;
      send(response, answer);
    });
    const samples = Array.from({ length: 8 }, (_, i) => ({ ...sample, images: [], prompt: String(i) }));
    const answers = await createRemoteSampler({ url, ...quick, concurrency: 3 }).complete(samples, ask);
    expect(answers.map((group) => group[0]?.text)).toEqual(["0", "1", "2", "3", "4", "5", "6", "7"]);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(3);
  });

  test("tries again after 503, 429 with Retry-After, a closed connection, broken JSON and silence", async () => {
    let calls = 0;
    const url = await serve((body, response, request) => {
      calls++;
      if (calls === 1) return void send(response, { error: "warming up" }, 503);
      if (calls === 2) return void response.writeHead(429, { "retry-after": "0" }).end();
      if (calls === 3) return void request.socket.destroy();
      if (calls === 4) return void response.writeHead(200).end('{"choices": [');
      if (calls === 5) return undefined;
      return void send(response, choices(body.n));
    });
    const sampler = createRemoteSampler({ url, ...quick, timeoutMs: 150, retries: 5 });
    await expect(sampler.complete([sample], ask)).resolves.toHaveLength(1);
    expect(calls).toBe(6);
  });

  test("ends clearly when the server is gone", async () => {
    const url = await serve(() => undefined);
    servers.splice(0).forEach((server) => server.close());
    const gone = createRemoteSampler({ url, ...quick, retries: 2 }).complete([sample], ask);
    await expect(gone).rejects.toMatchObject({ code: "unavailable" });
    await expect(gone).rejects.toThrow(
      /did not answer in 3 attempts \(.*ECONNREFUSED.*Is the server running/,
    );
  });

  test("does not repeat a request that the server refuses", async () => {
    let calls = 0;
    const url = await serve((_, response) => {
      calls++;
      send(response, { message: "The model `m` does not exist." }, 404);
    });
    const refused = createRemoteSampler({ url, ...quick }).complete([sample], ask);
    await expect(refused).rejects.toMatchObject({ code: "invalid-argument" });
    await expect(refused).rejects.toThrow("does not exist");
    expect(calls).toBe(1);
  });

  test("stops at once when the caller's signal fires", async () => {
    const controller = new AbortController();
    const url = await serve(() => controller.abort());
    const begun = performance.now();
    const stopped = createRemoteSampler({ url, ...quick }).complete([sample], {
      ...ask,
      signal: controller.signal,
    });
    await expect(stopped).rejects.toMatchObject({ code: "aborted" });
    expect(performance.now() - begun).toBeLessThan(1000);
  });

  test.each([
    ["too few choices", (n: number) => choices(n - 1)],
    [
      "no log-probabilities",
      (n: number) => ({ choices: choices(n).choices.map((choice) => ({ ...choice, logprobs: null })) }),
    ],
    [
      "texts in place of token ids",
      (n: number) => ({ choices: choices(n).choices.map((choice) => ({ ...choice, token_ids: null })) }),
    ],
    [
      "numbers that do not match",
      (n: number) => ({ choices: choices(n).choices.map((c) => ({ ...c, token_ids: [1] })) }),
    ],
    [
      "a log-probability above 0",
      (n: number) => {
        const answer = choices(n);
        answer.choices[0]!.logprobs.content[0]!.logprob = 800;
        return answer;
      },
    ],
    [
      "two choices of one index",
      (n: number) => ({ choices: choices(n).choices.map((choice) => ({ ...choice, index: 0 })) }),
    ],
    ["another protocol", () => ["hello"]],
  ])("refuses %s and names the sample", async (_, answer) => {
    const url = await serve((body, response) => void send(response, answer(body.n)));
    const wrong = createRemoteSampler({ url, ...quick }).complete([sample], ask);
    await expect(wrong).rejects.toMatchObject({ code: "invalid-data" });
    await expect(wrong).rejects.toThrow("sample s1");
  });

  test("loads an adapter and then asks for it by name", async () => {
    const seen: { url: string | undefined; model: string }[] = [];
    const url = await serve((body, response, request) => {
      seen.push({ url: request.url, model: body.model });
      if (request.url?.endsWith("load_lora_adapter")) return void response.writeHead(200).end("Success");
      return void send(response, choices(body.n));
    });
    const sampler = createRemoteSampler({ url, ...quick });
    await sampler.loadAdapter({ name: "step-10", path: "/adapters/10" });
    await sampler.complete([sample], ask);
    expect(seen.at(-1)).toEqual({ url: "/v1/chat/completions", model: "step-10" });
  });
});

test("a policy learns from a remote sampler's answers, corrected by truncated importance sampling", async () => {
  const policy = tablePolicy();
  const words = ["a", "b", "c", "d"];
  const random = createRng(9);
  // The server never learns: it answers at random for ever. Importance weights keep the gradient that of the policy.
  const url = await serve((body, response) => {
    const answers = Array.from({ length: body.n }, (_, index) => {
      const id = random.integer(4);
      const content = [{ token: `token_id:${id}`, logprob: Math.log(0.25) }];
      return { index, finish_reason: "stop", message: { content: words[id] }, logprobs: { content } };
    });
    send(response, { choices: answers });
  });
  let gap = 0;
  for await (const report of train({
    policy,
    sampler: createRemoteSampler({ url, ...quick }),
    dataset: fakeDataset(1),
    score: async ({ completion }) => ({ total: completion === "b" ? 1 : 0, scores: {} }),
    loss: grpoLoss({ beta: 0, samplerCorrection: { max: 4 } }),
    config: { steps: 30, promptsPerStep: 2, groupSize: 16, maxNewTokens: 1, learningRate: 0.2 },
  })) {
    gap = report.metrics["sampler/log-prob-gap"] as number;
  }
  const [group] = await policy.complete([{ ...sample, id: "0" }], { count: 200, rng: createRng(0) });
  expect((group ?? []).filter(({ text }) => text === "b").length).toBeGreaterThan(180);
  expect(gap).toBeGreaterThan(1);
});
