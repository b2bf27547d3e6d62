import type { Sample } from "@vlmr1/core";
import { checkPolicy } from "@vlmr1/policy/testing";
import { it } from "vitest";
import { plainPolicy } from "./plain-policy.ts";

it("the plain test policy passes the exam, but for the loss, which is its own", async () => {
  const samples = [0, 1, 2].map((i): Sample => ({
    id: String(i),
    prompt: `prompt ${i}`,
    images: [],
    target: undefined,
  }));
  await checkPolicy(plainPolicy(), { samples, except: ["the loss sees all of the batch"] });
});
