import { expect, test } from "vitest";

// The rules of docs/architecture.md that `npm run lint` checks.
const { problemsOf } = (await import(
  new URL("../../../scripts/check-imports.mjs", import.meta.url).href
)) as {
  problemsOf: (path: string, text: string) => string[];
};

test.each([
  ["packages/grpo/src/loss/x.ts", 'import { train } from "../train.ts";', /loss\/ may not import train\.ts/],
  [
    "packages/grpo/src/rollout/x.ts",
    'import type { A } from "../run/run.ts";',
    /rollout\/ may not import run\//,
  ],
  [
    "packages/model/src/network/x.ts",
    'import {\n  a,\n} from "../families/nano.ts";',
    /network\/ may not import families\//,
  ],
  [
    "packages/model/src/x.ts",
    'export { train } from "@vlmr1/grpo";',
    /@vlmr1\/model may not import @vlmr1\/grpo/,
  ],
  ["packages/core/src/x.ts", 'const engine = await import("@vlmr1/engine");', /may import nothing/],
  ["packages/grpo/src/x.ts", 'import sharp from "sharp";', /only data and model import sharp/],
  ["packages/grpo/src/new-room/x.ts", 'import { a } from "../options.ts";', /new-room\/ is not in/],
])("%s may not say %s", (path, text, message) => {
  expect(problemsOf(path, text).join()).toMatch(message);
});

test.each([
  [
    "packages/grpo/src/run/x.ts",
    'import { a } from "../rollout/rollout.ts";\nimport { b } from "../optimizer/schedule.ts";',
  ],
  ["packages/grpo/src/step.ts", 'import { a } from "./run/run.ts";'],
  [
    "packages/model/src/train/x.ts",
    'import type { Policy } from "@vlmr1/policy";\nimport { a } from "./passes.ts";',
  ],
  ["packages/data/src/images/x.ts", 'import sharp from "sharp";'],
])("%s may say %s", (path, text) => {
  expect(problemsOf(path, text)).toEqual([]);
});
