import { VlmR1Error } from "@vlmr1/core";
import { postJson, type HttpOptions } from "@vlmr1/core/http";

/** One message of a chat. */
export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** Where an OpenAI-compatible server is and how patient to be with it. */
export interface ChatServer extends Omit<HttpOptions, "returns"> {
  /** For example `https://api.openai.com/v1` or `http://localhost:8000/v1`; `/chat/completions` is appended. */
  readonly baseUrl: string;
  readonly model: string;
  /** Tokens that the judge may write. Default 256. */
  readonly maxTokens?: number;
}

/** Sends a chat and returns the text of the answer. */
export type ChatClient = (messages: readonly ChatMessage[]) => Promise<string>;

/** A verdict is short: whatever is longer is no chat completion. */
const longestAnswer = 2 ** 20;

/**
 * A client for one server, at temperature 0. Time, size and depth of what the server sends are limited, and a redirect is not followed.
 *
 * @throws VlmR1Error `invalid-argument` for options outside their range. The client rejects with `unavailable` when the server fails for
 * good or answers something else than a chat completion, and `aborted` when the signal fires; never with the key in the message.
 */
export function createChatClient({ baseUrl, model, maxTokens = 256, ...options }: ChatServer): ChatClient {
  const url = endpointOf(baseUrl);
  const http = { maxResponseBytes: longestAnswer, ...options };
  checkNumbers(http);
  return async (messages) => {
    const body = { model, messages, temperature: 0, max_tokens: maxTokens };
    const answer = await postJson(url, body, http).catch((cause: unknown) => {
      // A judge that refuses is no better than one that is silent: `otherwise` counts for both.
      if (VlmR1Error.is(cause, "aborted") || !VlmR1Error.is(cause)) throw cause;
      throw new VlmR1Error("unavailable", `The judge did not answer: ${cause.message}`, { cause });
    });
    const { choices } = (answer ?? {}) as { readonly choices?: unknown };
    const first = Array.isArray(choices) ? (choices[0] as { message?: { content?: unknown } } | null) : null;
    const content = first?.message?.content;
    if (typeof content === "string") return content;
    const found = JSON.stringify(answer).slice(0, 300);
    throw new VlmR1Error(
      "unavailable",
      `The judge at ${url} answered no choices[0].message.content: ${found}`,
    );
  };
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

/** When the reward is made, not when the first completion is judged. */
function checkNumbers(options: HttpOptions): void {
  const { timeoutMs, retries, retryDelayMs, maxRetryDelayMs, maxResponseBytes } = options;
  const numbers = { timeoutMs, retries, retryDelayMs, maxRetryDelayMs, maxResponseBytes };
  for (const [name, value] of Object.entries(numbers)) {
    if (value === undefined || (Number.isFinite(value) && value >= 0)) continue;
    throw new VlmR1Error("invalid-argument", `The judge's ${name} must be a number from 0, got ${value}.`);
  }
}
