import { VlmR1Error } from "./error.ts";
import { deepestJson, isNestedTooDeep } from "./json-depth.ts";

/** How to ask a server that may be slow, busy, gone, or not what it seems. */
export interface HttpOptions {
  /** Milliseconds for one attempt, from the request to the last byte of what comes back. Default 30 000. */
  readonly timeoutMs?: number;
  /** Attempts after the first, for what may be better the next time: broken connections, time-outs, 408, 425, 429, 5xx. Default 3. */
  readonly retries?: number;
  /** Milliseconds before the first retry; doubles each time. A longer Retry-After of the server counts. Default 500. */
  readonly retryDelayMs?: number;
  /** Longest pause between attempts in milliseconds, whatever the server asks for. Default 20 000. */
  readonly maxRetryDelayMs?: number;
  /** Bytes of a response after decompression. Default 64 MiB. */
  readonly maxResponseBytes?: number;
  /** Sent as a bearer token, and shown nowhere: a server that repeats it in an error does not bring it into ours. */
  readonly apiKey?: string;
  /** Stops everything: pauses and requests. */
  readonly signal?: AbortSignal;
  /** `text`: return the response as it is. Default `json`. */
  readonly returns?: "json" | "text";
}

const defaults = {
  timeoutMs: 30_000,
  retries: 3,
  retryDelayMs: 500,
  maxRetryDelayMs: 20_000,
  maxResponseBytes: 64 * 2 ** 20,
  returns: "json",
} as const;

type Settled = Required<Omit<HttpOptions, "apiKey" | "signal">> & Pick<HttpOptions, "apiKey" | "signal">;

/**
 * Sends JSON to a server that the user named, and returns the JSON that comes back.
 *
 * The server is not trusted: what it sends is limited in time, size and depth, a redirect is refused (the request carries pictures,
 * prompts and a key, and they were meant for the address that was given), and its words are cut short in errors.
 *
 * @throws VlmR1Error `invalid-argument` for an address that is none, options outside their range, a request that the server refuses
 * (4xx) or sends elsewhere (3xx); `limit` for a response over `maxResponseBytes` or nested deeper than 512; `unavailable` when no
 * attempt succeeded; `aborted` when the signal fires.
 */
export async function postJson(url: string, body: unknown, options: HttpOptions = {}): Promise<unknown> {
  const settled: Settled = { ...defaults, ...options };
  checkOptions(url, settled);
  const text = JSON.stringify(body);
  let failure: Failure = { problem: "no attempt was made" };
  for (let attempt = 0; attempt <= settled.retries; attempt++) {
    if (attempt > 0) {
      const pause = Math.max(settled.retryDelayMs * 2 ** (attempt - 1), failure.retryAfterMs ?? 0);
      await sleep(Math.min(pause, settled.maxRetryDelayMs), url, settled.signal);
    }
    const result = await attemptOnce(url, text, settled);
    if ("value" in result) return result.value;
    failure = result;
  }
  const attempts = settled.retries === 0 ? "" : ` in ${settled.retries + 1} attempts`;
  throw new VlmR1Error(
    "unavailable",
    `${nameOf(url)} did not answer${attempts} (${failure.problem}). Is the server running, and reachable from here?`,
    failure.cause === undefined ? {} : { cause: failure.cause },
  );
}

interface Failure {
  readonly problem: string;
  /** Milliseconds that the server asked to wait. */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

async function attemptOnce(
  url: string,
  body: string,
  options: Settled,
): Promise<{ readonly value: unknown } | Failure> {
  const { timeoutMs, apiKey, signal } = options;
  // A controller of our own: the timers of AbortSignal.timeout may be collected while a body is read.
  const stop = new AbortController();
  const onAbort = (): void => stop.abort();
  signal?.addEventListener("abort", onAbort, { once: true });
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    stop.abort();
  }, timeoutMs);
  try {
    if (signal?.aborted) throwAborted(url);
    const response = await fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
      },
      body,
      redirect: "manual",
      signal: stop.signal,
    });
    return await readResponse(url, response, options);
  } catch (cause) {
    if (VlmR1Error.is(cause)) throw cause;
    if (signal?.aborted) return throwAborted(url);
    if (isLate) return { problem: `no answer within ${timeoutMs} ms` };
    return { problem: withoutKey(describe(cause), apiKey), cause };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
    stop.abort(); // whatever of the body was not read is not sent either
  }
}

async function readResponse(
  url: string,
  response: Response,
  { maxResponseBytes, apiKey, returns, maxRetryDelayMs }: Settled,
): Promise<{ readonly value: unknown } | Failure> {
  const { status } = response;
  if (response.type === "opaqueredirect" || (status >= 300 && status < 400)) {
    const to = response.headers.get("location");
    throw new VlmR1Error(
      "invalid-argument",
      `${nameOf(url)} answers with a redirect${to === null ? "" : ` to ${to.slice(0, 200)}`}, which is not followed: the request was ` +
        "meant for the address that was given. Give the final address.",
    );
  }
  // What a refusal says is for a person: its first kilobytes will do.
  const text = response.ok
    ? await readText(url, response, maxResponseBytes)
    : await readBeginning(response, 4096);
  if (response.ok && returns === "text") return { value: text };
  if (response.ok) {
    if (isNestedTooDeep(text))
      throw new VlmR1Error(
        "limit",
        `${nameOf(url)} answered JSON that is nested more than ${deepestJson} levels deep.`,
      );
    try {
      return { value: JSON.parse(text) as unknown };
    } catch {
      return { problem: `no JSON: ${excerpt(text, apiKey)}` };
    }
  }
  const problem = `HTTP ${status}: ${excerpt(text, apiKey)}`;
  const isTemporary = status >= 500 || [408, 425, 429].includes(status);
  if (!isTemporary)
    throw new VlmR1Error("invalid-argument", `${nameOf(url)} refused the request with ${problem}`);
  const seconds = Number(response.headers.get("retry-after") ?? NaN);
  return { problem, ...(seconds >= 0 && { retryAfterMs: Math.min(1000 * seconds, maxRetryDelayMs) }) };
}

/** The whole body, while it stays within the limit: bytes are counted as they arrive, after decompression. */
async function readText(url: string, response: Response, maxBytes: number): Promise<string> {
  const { text, isWhole } = await readUpTo(response, maxBytes);
  if (isWhole) return text;
  throw new VlmR1Error("limit", `${nameOf(url)} answered more than ${maxBytes} bytes, and no more are read.`);
}

async function readBeginning(response: Response, maxBytes: number): Promise<string> {
  return (await readUpTo(response, maxBytes)).text;
}

async function readUpTo(response: Response, maxBytes: number): Promise<{ text: string; isWhole: boolean }> {
  const reader = response.body?.getReader();
  if (!reader) return { text: "", isWhole: true };
  const decoder = new TextDecoder();
  const parts: string[] = [];
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return { text: parts.join("") + decoder.decode(), isWhole: true };
    bytes += value.byteLength;
    if (bytes > maxBytes) {
      void reader.cancel().catch(() => undefined);
      return { text: parts.join(""), isWhole: false };
    }
    parts.push(decoder.decode(value, { stream: true }));
  }
}

function checkOptions(url: string, options: Settled): void {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    const problem = `A server's address must begin with http:// or https://, got ${JSON.stringify(url)}.`;
    throw new VlmR1Error("invalid-argument", problem);
  }
  if (options.apiKey !== undefined && !/^[\x21-\x7e]+$/.test(options.apiKey)) {
    const problem = "The API key has characters that a header cannot carry: a line break or a space?";
    throw new VlmR1Error("invalid-argument", problem);
  }
  for (const name of [
    "timeoutMs",
    "retries",
    "retryDelayMs",
    "maxRetryDelayMs",
    "maxResponseBytes",
  ] as const) {
    const value = options[name];
    if (!(Number.isFinite(value) && value >= 0))
      throw new VlmR1Error("invalid-argument", `${name} must be a number from 0, got ${value}.`);
  }
}

/** An address for errors: without the user, password and query that it may carry. */
function nameOf(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}

function excerpt(text: string, apiKey: string | undefined): string {
  return withoutKey(text, apiKey).slice(0, 300);
}

function withoutKey(text: string, apiKey: string | undefined): string {
  return apiKey === undefined ? text : text.replaceAll(apiKey, "[the API key]");
}

/** fetch hides why a connection failed in the error's cause. */
function describe(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return cause.cause instanceof Error
    ? `${cause.message}: ${cause.cause.message || cause.cause.name}`
    : cause.message;
}

function throwAborted(url: string): never {
  throw new VlmR1Error("aborted", `Waiting for ${nameOf(url)} was stopped by the caller.`);
}

function sleep(milliseconds: number, url: string, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(new VlmR1Error("aborted", `Waiting for ${nameOf(url)} was stopped by the caller.`));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
