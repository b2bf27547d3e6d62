import type { Sample } from "@vlmr1/core";

/** Prompts "0", "1", … without pictures. */
export function fakeDataset(length: number, answer?: (index: number) => string) {
  return {
    length,
    get: async (index: number): Promise<Sample<undefined>> => ({
      id: String(index),
      prompt: `prompt ${index}`,
      images: [],
      target: undefined,
      ...(answer && { answer: answer(index) }),
    }),
  };
}
