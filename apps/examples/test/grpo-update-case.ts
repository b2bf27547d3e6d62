import { createRng, type RgbImage } from "@vlmr1/core";
import type { Engine } from "@vlmr1/engine";
import { createModel, createPolicy, nano } from "@vlmr1/model";

/** `nano` with the weights of seed 7, as a policy: both sides of the comparison begin here. */
export async function casePolicy(engine: Engine) {
  const model = await createModel(nano(), { engine, rng: createRng(7) });
  return { model, policy: await createPolicy(model, { train: "language" }) };
}

/** A picture by formula, so that it need not be stored. */
function picture(seed: number): RgbImage {
  const data = Uint8Array.from(
    { length: 64 * 64 * 3 },
    (_, i) => (i * (seed + 3) + ((i * i) >> (4 + seed))) % 256,
  );
  return { width: 64, height: 64, data };
}

const rng = createRng(9);
const rewards = [1, 0, 0.5, 0.2, 0.9, 0.2];

/** Two prompts, three answers each, with their advantages by hand: (r - mean) / (unbiased std + 1e-4). */
export const caseGroups = [0, 1].map((p) => {
  const group = rewards.slice(3 * p, 3 * p + 3);
  const mean = group.reduce((sum, reward) => sum + reward, 0) / 3;
  const spread = Math.sqrt(group.reduce((sum, reward) => sum + (reward - mean) ** 2, 0) / 2);
  return {
    sample: {
      id: String(p),
      prompt: p ? "the small blue star" : "where is the red key",
      images: [picture(p)],
      target: null,
    },
    completions: [5, 3 + p, 7].map((length) => ({
      tokenIds: Array.from({ length }, () => 7 + rng.integer(200)),
    })),
    advantages: group.map((reward) => (reward - mean) / (spread + 1e-4)),
  };
});
