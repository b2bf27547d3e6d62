import type { Template } from "@huggingface/jinja";
import { VlmR1Error } from "@vlmr1/core";
import { parseTemplate, renderWithin, TEXT_LIMITS, type TextLimits } from "./limits.ts";

/** A piece of a message: words, or the place of one image. */
export type MessagePart =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "image"; readonly image?: unknown };

/** One turn of a conversation, in the form of Hugging Face chat templates. */
export interface Message {
  readonly role: string;
  readonly content: string | readonly MessagePart[];
}

/** The images that the messages name, in order: what `image` holds for each part of type `image`. */
export function messageImages(messages: readonly Message[]): unknown[] {
  return messages.flatMap(({ content }) =>
    typeof content === "string" ? [] : content.flatMap((part) => (part.type === "image" ? [part.image] : [])),
  );
}

/** How a conversation is rendered. */
export interface RenderOptions {
  /** Ends with the start of the assistant's turn; default true. */
  readonly addGenerationPrompt?: boolean;
  /** Further variables of the template, for example `add_vision_id`. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

/** Turns messages into the text that a model was trained on. */
export interface ChatTemplate {
  /** Throws `VlmR1Error`: `invalid-argument` when the template refuses the messages, `limit` when it does not come to an end. */
  render(messages: readonly Message[], options?: RenderOptions): string;
}

/**
 * Compiles a Jinja chat template with `@huggingface/jinja`.
 *
 * Templates of vision-language models (`parts`) get every content as a list of parts; some of them would silently drop a plain
 * string. Templates of text models get plain strings; they would print the parts of a list as program text.
 *
 * @throws VlmR1Error `invalid-data` when the template is not Jinja, `limit` when it is too long.
 */
export function createChatTemplate(
  source: string,
  parts: boolean,
  named: ReadonlyMap<string, string> = new Map(),
  limits: TextLimits = TEXT_LIMITS,
): ChatTemplate {
  const template = compile(source, limits);
  const render = (
    messages: readonly Message[],
    { addGenerationPrompt = true, variables = {} }: RenderOptions = {},
  ): string => {
    const shaped = messages.map(parts ? withParts : withText);
    const context = {
      ...Object.fromEntries(named),
      ...variables,
      messages: shaped,
      add_generation_prompt: addGenerationPrompt,
    };
    try {
      return renderWithin(template, context, countCharacters(messages), limits);
    } catch (cause) {
      if (VlmR1Error.is(cause)) throw cause;
      throw new VlmR1Error(
        "invalid-argument",
        `The chat template refuses the messages: ${(cause as Error).message}`,
        { cause },
      );
    }
  };
  return { render };
}

function compile(source: string, limits: TextLimits): Template {
  try {
    return parseTemplate(source, limits);
  } catch (cause) {
    if (VlmR1Error.is(cause)) throw cause;
    throw new VlmR1Error(
      "invalid-data",
      `The chat template is not valid Jinja: ${(cause as Error).message}`,
      { cause },
    );
  }
}

function countCharacters(messages: readonly Message[]): number {
  let count = 0;
  for (const { content } of messages) {
    if (typeof content === "string") count += content.length;
    else for (const part of content) count += part.type === "text" ? part.text.length : 100;
  }
  return count;
}

function withParts({ role, content }: Message): object {
  return { role, content: typeof content === "string" ? [{ type: "text", text: content }] : content };
}

function withText({ role, content }: Message): object {
  if (typeof content === "string") return { role, content };
  const words = content.map((part) => {
    if (part.type === "text") return part.text;
    throw new VlmR1Error(
      "invalid-argument",
      `A message of role "${role}" has an image, but this is a text-only model.`,
    );
  });
  return { role, content: words.join("") };
}
