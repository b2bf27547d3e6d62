import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRng } from "@vlmr1/core";
import { drawScenes, loadImage } from "@vlmr1/data";
import { openEngine } from "@vlmr1/engine";
import type { Policy } from "@vlmr1/grpo";
import { createModel, createPolicy, nano } from "@vlmr1/model";
import { expect, test } from "vitest";
import { trainRemotely } from "../src/grpo-remote-sampler.ts";

interface Body {
  readonly n: number;
  readonly seed: number;
  readonly max_tokens: number;
  readonly messages: {
    readonly content: { readonly text?: string; readonly image_url?: { readonly url: string } }[];
  }[];
  readonly lora_name?: string;
  readonly lora_path?: string;
}

/** An OpenAI-compatible server, as far as training needs one, in front of a model. Notes the adapters it is told to load. */
async function serve(model: Policy, loaded: string[]): Promise<Server> {
  const answer = async (body: Body): Promise<unknown> => {
    if (body.lora_path !== undefined) return void loaded.push(body.lora_path);
    const parts = body.messages.at(-1)?.content ?? [];
    const urls = parts.flatMap((part) => part.image_url?.url ?? []);
    const images = await Promise.all(
      urls.map((url) => loadImage(Buffer.from(url.split(",")[1] ?? "", "base64"))),
    );
    const sample = { id: "asked", prompt: parts.at(-1)?.text ?? "", images, target: null };
    const request = {
      count: body.n,
      rng: createRng(body.seed),
      maxNewTokens: body.max_tokens,
      temperature: 1,
    };
    const [completions = []] = await model.complete([sample], request);
    const choices = completions.map(({ text, tokenIds, logProbs, finishReason }, index) => ({
      index,
      finish_reason: finishReason,
      message: { content: text },
      token_ids: tokenIds,
      logprobs: { content: logProbs.map((logprob) => ({ token: "", logprob })) },
    }));
    return { choices };
  };
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const body = JSON.parse(Buffer.concat(parts).toString()) as Body;
      void answer(body).then((value) => response.end(JSON.stringify(value ?? "loaded")));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** Two of these on one machine stand for two machines: the same model, and an engine each. */
async function nanoPolicy(train: "lora" | "language"): Promise<Policy> {
  const model = await createModel(nano(), { engine: await openEngine(), rng: createRng(3) });
  return createPolicy(model, { train, rng: createRng(4) });
}

test("a policy trains on answers that come over HTTP, and sends its adapter back", async () => {
  const adapters = await mkdtemp(join(tmpdir(), "vlmr1-adapters-"));
  const loaded: string[] = [];
  const server = await serve(await nanoPolicy("language"), loaded);
  const gaps: number[] = [];
  const rewards: number[] = [];
  for await (const { metrics } of trainRemotely({
    policy: await nanoPolicy("lora"),
    dataset: drawScenes({ rng: createRng(1), length: 8 }),
    score: async ({ tokenCount = 0 }) => ({ total: tokenCount % 3, scores: {} }),
    server: { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, model: "nano" },
    adapters,
    steps: 3,
    syncEvery: 2,
  })) {
    gaps.push(metrics["sampler/log-prob-gap"] ?? 0);
    rewards.push(metrics["reward/mean"] ?? NaN);
  }
  server.close();
  expect(rewards.every(Number.isFinite)).toBe(true);
  expect(gaps[0]).toBeLessThan(1e-4); // a fresh adapter changes nothing: the same tokens have the same probabilities
  expect(loaded).toEqual([join(adapters, "step-2")]);
  expect(existsSync(join(adapters, "step-2", "adapter_model.safetensors"))).toBe(true);
  await rm(adapters, { recursive: true });
}, 120_000);
