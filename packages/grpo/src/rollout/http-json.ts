import { setTimeout as sleep } from "node:timers/promises";
import { VlmR1Error } from "@vlmr1/core";

/** How to ask a server that may be slow, busy or gone. */
export interface HttpPatience {
  /** Milliseconds to wait for one answer. */
  readonly timeoutMs: number;
  /** Attempts after the first. */
  readonly retries: number;
  /** Milliseconds before the first retry; doubles each time, unless the server says `Retry-After`. */
  readonly retryDelayMs: number;
  /** The answer is text, not JSON. */
  readonly isText?: boolean;
}

/**
 * Sends JSON and returns the JSON that comes back. Network errors, time-outs, broken JSON, 408, 429 and 5xx are tried again.
 *
 * @throws VlmR1Error `unavailable` when no attempt succeeded, `invalid-argument` when the server refuses the request (4xx), `aborted`.
 */
export async function postJson(
  url: string,
  body: unknown,
  options: HttpPatience & {
    readonly headers?: Readonly<Record<string, string>>;
    readonly signal?: AbortSignal;
  },
): Promise<unknown> {
  const { retries, retryDelayMs, signal } = options;
  const text = JSON.stringify(body);
  let problem = "";
  for (let attempt = 0; attempt <= retries; attempt++) {
    const result = await postOnce(url, text, options);
    if ("value" in result) return result.value;
    problem = result.problem;
    if (attempt === retries) break;
    const delay = result.retryAfterMs ?? retryDelayMs * 2 ** attempt;
    await sleep(delay, undefined, signal ? { signal } : {}).catch(() => throwAborted(url));
  }
  throw new VlmR1Error(
    "unavailable",
    `${url} did not answer in ${retries + 1} attempts (${problem}). Is the server running, and reachable from here?`,
  );
}

type Result = { readonly value: unknown } | { readonly problem: string; readonly retryAfterMs?: number };

async function postOnce(
  url: string,
  text: string,
  { timeoutMs, headers, signal, isText = false }: Parameters<typeof postJson>[2],
): Promise<Result> {
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: text,
      signal: signal ? AbortSignal.any([timeout, signal]) : timeout,
    });
    const answer = await response.text();
    if (response.ok) return { value: isText ? answer : (JSON.parse(answer) as unknown) };
    const status = `HTTP ${response.status}: ${answer.slice(0, 300)}`;
    const isTemporary = response.status >= 500 || response.status === 429 || response.status === 408;
    if (!isTemporary) throw new VlmR1Error("invalid-argument", `${url} refused the request with ${status}`);
    const seconds = Number(response.headers.get("retry-after") ?? NaN);
    return { problem: status, ...(seconds >= 0 && { retryAfterMs: Math.min(1000 * seconds, timeoutMs) }) };
  } catch (cause) {
    if (VlmR1Error.is(cause)) throw cause;
    if (signal?.aborted) return throwAborted(url);
    if (timeout.aborted) return { problem: `no answer within ${timeoutMs} ms` };
    return { problem: describe(cause) };
  }
}

function describe(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return cause.cause instanceof Error
    ? `${cause.message}: ${cause.cause.message || cause.cause.name}`
    : cause.message;
}

function throwAborted(url: string): never {
  throw new VlmR1Error("aborted", `Waiting for ${url} was stopped by the caller.`);
}
