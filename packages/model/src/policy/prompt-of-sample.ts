import type { Sample } from "@vlmr1/core";
import type { Model } from "../model.ts";
import type { Prompt } from "../prompt-batch.ts";
import type { Message } from "../text/messages.ts";

/** The conversation that asks a sample: its system message, then its images and its question in one user turn. */
export function sampleMessages(sample: Sample): Message[] {
  const images = sample.images.map(() => ({ type: "image" }) as const);
  const question: Message = { role: "user", content: [...images, { type: "text", text: sample.prompt }] };
  return sample.system === undefined ? [question] : [{ role: "system", content: sample.system }, question];
}

/** Prompts of samples; a sample that is asked again is not prepared again as long as somebody holds it. */
export function createPromptCache(
  model: Model,
  messages: (sample: Sample) => readonly Message[] = sampleMessages,
): (sample: Sample) => Prompt {
  const known = new WeakMap<Sample, Prompt>();
  return (sample) => {
    const old = known.get(sample);
    if (old) return old;
    const prompt = model.preprocess({ messages: messages(sample), images: sample.images });
    known.set(sample, prompt);
    return prompt;
  };
}
