import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { VlmR1Error } from "@vlmr1/core";
import { afterEach, describe, expect, test } from "vitest";
import { judgeReward } from "../../src/index.ts";
import { llmReward } from "../../src/vlm-r1.ts";

let server: Server | undefined;

afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  server = undefined;
});

/** A local server in place of the judge; `answer` decides what it does with each request. */
async function serve(answer: (request: ReceivedRequest, response: ServerResponse) => void): Promise<string> {
  server = createServer((message, response) => {
    void bodyOf(message).then((body) => answer({ message, body: JSON.parse(body) as RequestBody }, response));
  });
  await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}

interface RequestBody {
  readonly model: string;
  readonly temperature: number;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
}
interface ReceivedRequest {
  readonly message: IncomingMessage;
  readonly body: RequestBody;
}

async function bodyOf(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function say(response: ServerResponse, content: string): void {
  response
    .setHeader("content-type", "application/json")
    .end(JSON.stringify({ choices: [{ message: { content } }] }));
}

const sample = { id: "1", prompt: "What is it?", images: [], target: { answer: "a cat" } };
const input = (completion: string) => ({ completion, sample });
const fast = { model: "judge", retryDelayMs: 1, apiKey: "secret-key" };

describe("a judge", () => {
  test("gets question, truth and answer as data, with the key as a bearer token, and gives the number it writes", async () => {
    const requests: ReceivedRequest[] = [];
    const baseUrl = await serve((request, response) => {
      requests.push(request);
      say(response, "0.75");
    });
    expect(await judgeReward({ ...fast, baseUrl })(input("<think>hm</think><answer>a kitten</answer>"))).toBe(
      0.75,
    );
    expect(requests[0]?.message.url).toBe("/v1/chat/completions");
    expect(requests[0]?.message.headers.authorization).toBe("Bearer secret-key");
    expect(requests[0]?.body).toMatchObject({ model: "judge", temperature: 0 });
    expect(JSON.parse(requests[0]?.body.messages.at(-1)?.content as string)).toEqual({
      question: "What is it?",
      truth: "a cat",
      answer: "a kitten",
    });
  });

  test("is asked once for equal answers, also while the first is under way", async () => {
    let count = 0;
    const baseUrl = await serve((_, response) => {
      count++;
      setTimeout(() => say(response, "1"), 20);
    });
    const reward = judgeReward({ ...fast, baseUrl });
    await Promise.all([reward(input("a cat")), reward(input("a cat"))]);
    await reward(input("a cat"));
    expect(count).toBe(1);
    await reward(input("a dog"));
    expect(count).toBe(2);
  });

  test("never has more requests under way than allowed", async () => {
    let running = 0;
    let most = 0;
    const baseUrl = await serve((_, response) => {
      most = Math.max(most, ++running);
      setTimeout(() => {
        running--;
        say(response, "1");
      }, 15);
    });
    const reward = judgeReward({ ...fast, baseUrl, concurrency: 3 });
    await Promise.all(Array.from({ length: 12 }, async (_, i) => reward(input(`answer ${i}`))));
    expect(most).toBe(3);
  });

  test("is asked again after a busy server, a broken connection and a time-out", async () => {
    let attempt = 0;
    const baseUrl = await serve((_, response) => {
      attempt++;
      if (attempt === 1) response.writeHead(429, { "retry-after": "0" }).end("busy");
      else if (attempt === 2) response.destroy();
      else if (attempt === 4) say(response, "1"); // the third is never answered
    });
    expect(await judgeReward({ ...fast, baseUrl, timeoutMs: 400 })(input("a cat"))).toBe(1);
    expect(attempt).toBe(4);
  });

  test("that fails for good makes the reward throw, with the reason and without the key, or gives the fallback", async () => {
    let attempts = 0;
    const baseUrl = await serve((_, response) => {
      attempts++;
      response.writeHead(401).end("wrong key");
    });
    const error = (await Promise.resolve(judgeReward({ ...fast, baseUrl })(input("x"))).catch(
      (reason: unknown) => reason,
    )) as VlmR1Error;
    expect(VlmR1Error.is(error, "unavailable")).toBe(true);
    expect(error.message).toContain("HTTP 401: wrong key");
    expect(JSON.stringify([error.message, error.stack, String(error.cause)])).not.toContain("secret-key");
    expect(attempts).toBe(1); // 401 would be 401 again
    expect(await judgeReward({ ...fast, baseUrl, otherwise: 0 })(input("y"))).toBe(0);
  });

  test("that writes no number in 0..1, or no JSON, gives no verdict", async () => {
    const baseUrl = await serve(({ body }, response) => {
      if (body.messages.at(-1)?.content.includes("broken") === true) response.end("<html>");
      else say(response, "very good, 8 out of 10");
    });
    await expect(judgeReward({ ...fast, baseUrl })(input("x"))).rejects.toThrow(
      /gave no verdict: "very good/,
    );
    await expect(judgeReward({ ...fast, baseUrl, retries: 0 })(input("broken"))).rejects.toThrow(
      /no JSON: <html>/,
    );
  });

  test("stops when the caller's signal fires, also in a pause", async () => {
    const controller = new AbortController();
    const baseUrl = await serve((_, response) => {
      response.writeHead(503).end();
      setTimeout(() => controller.abort(), 20);
    });
    const reward = judgeReward({
      ...fast,
      baseUrl,
      retryDelayMs: 60_000,
      signal: controller.signal,
      otherwise: 0,
    });
    const error: unknown = await Promise.resolve(reward(input("x"))).catch((reason: unknown) => reason);
    expect(VlmR1Error.is(error, "aborted")).toBe(true);
  });

  test("keeps verdicts in the caller's cache", async () => {
    const baseUrl = await serve((_, response) => say(response, "0.5"));
    const cache = new Map<string, number>();
    await judgeReward({ ...fast, baseUrl, cache })(input("x"));
    expect([...cache.values()]).toEqual([0.5]);
    expect([...cache.keys()][0]).not.toContain("secret-key");
  });

  test("refuses impossible options", () => {
    expect(() => judgeReward({ ...fast, baseUrl: "ftp://x" })).toThrow(/http\(s\) address/);
    expect(() => judgeReward({ ...fast, baseUrl: "http://x", concurrency: 0 })).toThrow(/at least 1/);
    expect(() => judgeReward({ ...fast, baseUrl: "http://x", retries: -1 })).toThrow(
      /retries must be a number from 0/,
    );
  });
});

describe("VLM-R1's judge", () => {
  const published = { ...sample, target: { solution: "<answer> a cat </answer>" } };

  test("is asked with the published prompt", async () => {
    const contents: string[] = [];
    const baseUrl = await serve(({ body }, response) => {
      contents.push(...body.messages.map((message) => message.content));
      say(response, " 1.0 ");
    });
    expect(
      await llmReward({ ...fast, baseUrl })({ completion: "<answer>kitten</answer>", sample: published }),
    ).toBe(1);
    expect(contents[1]).toBe("Student's response: kitten\nCorrect solution: a cat\nOutput only 1.0 or 0.0:");
  });

  test("falls back to equality of strings when the server fails", async () => {
    const baseUrl = await serve((_, response) => response.writeHead(400).end());
    const reward = llmReward({ ...fast, baseUrl });
    expect(await reward({ completion: "<answer>a cat</answer>", sample: published })).toBe(1);
    expect(await reward({ completion: "<answer>a dog</answer>", sample: published })).toBe(0);
  });
});
