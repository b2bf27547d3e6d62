import { VlmR1Error } from "@vlmr1/core";

/** One message of a chat. */
export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** Where an OpenAI-compatible server is and how patient to be with it. */
export interface ChatServer {
  /**
   * For example `https://api.openai.com/v1` or `http://localhost:8000/v1`; `/chat/completions` is appended.
   */
  readonly baseUrl: string;
  readonly model: string;
  /** Sent as a bearer token, and nowhere else. */
  readonly apiKey?: string;
  /** Milliseconds for one attempt. Default 30 000. */
  readonly timeout?: number;
  /**
   * Attempts after the first, for time-outs, broken connections and the statuses 408, 409, 425, 429 and
   * 5xx. Default 3.
   */
  readonly retries?: number;
  /**
   * Milliseconds before the first new attempt; doubled each time; a longer Retry-After of the server
   * counts. Default 500.
   */
  readonly backoff?: number;
  /** Longest pause between attempts, in milliseconds, whatever the server asks for. Default 20 000. */
  readonly maxBackoff?: number;
  /** Tokens that the judge may write. Default 256. */
  readonly maxTokens?: number;
  /** Stops everything: pauses and requests. */
  readonly signal?: AbortSignal;
}

/** Sends a chat and returns the text of the answer. */
export type ChatClient = (messages: readonly ChatMessage[]) => Promise<string>;

/**
 * A client for one server, at temperature 0.
 *
 * @throws VlmR1Error `invalid-argument` for options outside their range. The client rejects with
 * `unavailable` when the server fails for good (status and the beginning of its answer in the message,
 * never the key), and `aborted` when the signal fires.
 */
export function createChatClient(server: ChatServer): ChatClient {
  const {
    baseUrl,
    model,
    apiKey,
    timeout = 30_000,
    retries = 3,
    backoff = 500,
    maxBackoff = 20_000,
  } = server;
  checkOptions({ timeout, retries, backoff, maxBackoff });
  const url = endpointOf(baseUrl);
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (apiKey !== undefined) headers["authorization"] = `Bearer ${apiKey}`;
  return async (messages) => {
    const body = JSON.stringify({ model, messages, temperature: 0, max_tokens: server.maxTokens ?? 256 });
    let failure: Failure = { reason: "no attempt was made" };
    for (let attempt = 0; attempt <= retries; attempt++) {
      if (attempt > 0) {
        const pause = Math.max(backoff * 2 ** (attempt - 1), failure.retryAfter ?? 0);
        await sleep(Math.min(pause, maxBackoff), server.signal);
      }
      const outcome = await attemptOnce(url, headers, body, timeout, server.signal);
      if (typeof outcome === "string") return outcome;
      failure = outcome;
      if (failure.final === true) break;
    }
    throw new VlmR1Error("unavailable", `The judge at ${url} did not answer: ${failure.reason}.`, {
      cause: failure.cause,
    });
  };
}

interface Failure {
  readonly reason: string;
  /** Milliseconds that the server asked to wait. */
  readonly retryAfter?: number;
  /** Another attempt would fail the same way. */
  readonly final?: boolean;
  readonly cause?: unknown;
}

async function attemptOnce(
  url: string,
  headers: Record<string, string>,
  body: string,
  timeout: number,
  signal: AbortSignal | undefined,
): Promise<string | Failure> {
  const limit = AbortSignal.timeout(timeout);
  try {
    const response = await fetch(url, {
      method: "POST",
      headers,
      body,
      redirect: "error", // a redirect would carry the key elsewhere
      signal: signal ? AbortSignal.any([limit, signal]) : limit,
    });
    const text = await response.text();
    if (response.ok) return contentOf(text);
    const final = response.status < 500 && ![408, 409, 425, 429].includes(response.status);
    return { reason: `status ${response.status}: ${text.slice(0, 300)}`, final, ...retryAfterOf(response) };
  } catch (cause) {
    if (signal?.aborted === true)
      throw new VlmR1Error("aborted", "The judge was stopped by the caller's signal.", { cause });
    const reason = limit.aborted ? `no answer within ${timeout} ms` : describe(cause);
    return { reason, cause };
  }
}

/** fetch hides why a connection failed in the error's cause. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}

function contentOf(text: string): string | Failure {
  let answer: unknown;
  try {
    answer = JSON.parse(text) as unknown;
  } catch (cause) {
    return { reason: `no JSON: ${text.slice(0, 300)}`, cause };
  }
  const { choices } = answer as { choices?: readonly { message?: { content?: unknown } }[] };
  const content = Array.isArray(choices)
    ? (choices[0] as { message?: { content?: unknown } })?.message?.content
    : undefined;
  return typeof content === "string"
    ? content
    : { reason: `no choices[0].message.content: ${text.slice(0, 300)}` };
}

function retryAfterOf(response: Response): { readonly retryAfter?: number } {
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  return seconds >= 0 ? { retryAfter: seconds * 1000 } : {};
}

function endpointOf(baseUrl: string): string {
  let end = baseUrl.length;
  while (baseUrl[end - 1] === "/") end--;
  const url = `${baseUrl.slice(0, end)}/chat/completions`;
  if (URL.canParse(url) && /^https?:/.test(url)) return url;
  throw new VlmR1Error(
    "invalid-argument",
    `baseUrl must be an http(s) address, got ${JSON.stringify(baseUrl)}.`,
  );
}

function checkOptions(options: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(options)) {
    if (Number.isFinite(value) && value >= 0 && (name !== "timeout" || value > 0)) continue;
    throw new VlmR1Error("invalid-argument", `The judge's ${name} must be a number from 0, got ${value}.`);
  }
}

function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(new VlmR1Error("aborted", "The judge was stopped by the caller's signal."));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    if (signal?.aborted === true) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
