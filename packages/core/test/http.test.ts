import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { afterEach, expect, test } from "vitest";
import { postJson } from "../src/http.ts";

let server: Server | undefined;

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function serve(listener: RequestListener): Promise<string> {
  server = createServer(listener);
  await new Promise<void>((ready) => server!.listen(0, "127.0.0.1", ready));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/chat`;
}

const quick = { retryDelayMs: 1, retries: 2 };

test("sends JSON with the key and returns JSON, or text when asked for", async () => {
  const seen: unknown[] = [];
  const url = await serve((request, response) => {
    request.on("data", (data) => seen.push(JSON.parse(String(data)), request.headers.authorization));
    request.on("end", () => response.end('{"ok":[1]}'));
  });
  expect(await postJson(url, { a: 1 }, { apiKey: "sk-1" })).toEqual({ ok: [1] });
  expect(seen).toEqual([{ a: 1 }, "Bearer sk-1"]);
  expect(await postJson(url, {}, { returns: "text" })).toBe('{"ok":[1]}');
});

test("what is temporary is tried again, after the pause that the server asks for", async () => {
  const answers = [
    [429, "busy"],
    [503, "busy"],
    [200, '{"n":3}'],
  ] as const;
  let call = 0;
  const url = await serve((_, response) => {
    const [status, text] = answers[call++]!;
    response.writeHead(status, { "retry-after": "0" }).end(text);
  });
  expect(await postJson(url, {}, quick)).toEqual({ n: 3 });
});

test("a refusal, broken JSON, a dead server and a wrong address are named", async () => {
  const url = await serve((request, response) => {
    if (request.headers.authorization)
      response.writeHead(401).end(`who is ${request.headers.authorization}?`);
    else response.end("<html>");
  });
  await expect(postJson(url, {}, { ...quick, apiKey: "sk-secret" })).rejects.toThrow(
    /refused the request with HTTP 401: who is Bearer \[the API key\]\?/,
  );
  await expect(postJson(url, {}, quick)).rejects.toThrow(/in 3 attempts \(no JSON: <html>\)/);
  await expect(postJson("http://127.0.0.1:9/x?key=secret", {}, { retries: 0 })).rejects.toThrow(
    /^http:\/\/127\.0\.0\.1:9\/x did not answer \(/,
  );
  await expect(postJson("file:///etc/passwd", {})).rejects.toThrow("must begin with http");
  await expect(postJson(url, {}, { timeoutMs: Number.NaN })).rejects.toThrow("timeoutMs must be a number");
});

test("a redirect is not followed, whichever host it names", async () => {
  let calls = 0;
  const url = await serve((_, response) => {
    calls++;
    response.writeHead(307, { location: "http://localhost:1/elsewhere" }).end();
  });
  await expect(postJson(url, { picture: "…" }, { apiKey: "k", ...quick })).rejects.toThrow(
    /redirect to http:\/\/localhost:1\/elsewhere, which is not followed/,
  );
  expect(calls).toBe(1);
});

test("an endless body, a body that trickles and a gzip bomb end at their limits", async () => {
  const endless = await serve((_, response) => {
    const chunk = Buffer.alloc(2 ** 16, 32);
    const write = (): void => void (response.destroyed || response.write(chunk, write));
    write();
  });
  await expect(postJson(endless, {}, { maxResponseBytes: 2 ** 20 })).rejects.toMatchObject({ code: "limit" });
  server!.closeAllConnections();

  const trickle = await serve((_, response) => {
    const timer = setInterval(() => response.write(" "), 20);
    response.on("close", () => clearInterval(timer));
  });
  const start = performance.now();
  await expect(postJson(trickle, {}, { timeoutMs: 200, retries: 0 })).rejects.toThrow(
    "no answer within 200 ms",
  );
  expect(performance.now() - start).toBeLessThan(5000);
  server!.closeAllConnections();

  const bomb = await serve((_, response) => {
    response.writeHead(200, { "content-encoding": "gzip" });
    response.end(gzipSync(Buffer.alloc(64 * 2 ** 20, 32)));
  });
  const before = process.memoryUsage().rss;
  await expect(postJson(bomb, {}, { maxResponseBytes: 2 ** 20 })).rejects.toMatchObject({ code: "limit" });
  expect(process.memoryUsage().rss - before).toBeLessThan(100 * 2 ** 20);
});

test("an answer of 30,000 brackets is an error with a name", async () => {
  const url = await serve((_, response) => response.end("[".repeat(30_000) + "]".repeat(30_000)));
  await expect(postJson(url, {}, quick)).rejects.toThrow("nested more than 512 levels deep");
});

test("the caller's signal stops a request and a pause", async () => {
  const silent = await serve(() => undefined);
  await expect(postJson(silent, {}, { signal: AbortSignal.timeout(50) })).rejects.toMatchObject({
    code: "aborted",
  });
  const busy = await serve((_, response) => response.writeHead(503).end());
  await expect(
    postJson(busy, {}, { retryDelayMs: 60_000, maxRetryDelayMs: 60_000, signal: AbortSignal.timeout(100) }),
  ).rejects.toMatchObject({ code: "aborted" });
});
