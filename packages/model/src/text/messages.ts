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
