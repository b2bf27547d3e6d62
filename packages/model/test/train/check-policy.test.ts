import { openEngine, type Engine } from "@vlmr1/engine";
import { checkPolicy } from "@vlmr1/policy/testing";
import { afterAll, beforeAll, describe, it } from "vitest";
import { createPolicy, type PolicyOptions } from "../../src/train/policy.ts";
import { questions, randomNano } from "../fixtures/small-models.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 2 });
});
afterAll(() => engine.dispose());

const kinds: Readonly<Record<string, PolicyOptions>> = {
  "every parameter": { train: "all" },
  "the decoder": { train: "language" },
  "the decoder, with gradient checkpointing": { train: "language", gradientCheckpointing: true },
  "an adapter": { train: "lora", lora: { rank: 4 } },
  "parameters by name": { train: ["*.layers.1.mlp.*"] },
};

describe("nano passes the exam of a policy when it trains", () => {
  it.each(Object.entries(kinds))("%s", { timeout: 120_000 }, async (_, options) => {
    const policy = await createPolicy(await randomNano(engine), options);
    await checkPolicy(policy, { samples: questions(2) });
  });
});
