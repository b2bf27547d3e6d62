import { VlmR1Error, type RewardInput } from "@vlmr1/core";
import type { AddCommand } from "../command-line.ts";
import type { Terminal } from "../terminal.ts";
import { collectRewards, namedFrame } from "./scoring-options.ts";

interface Options {
  readonly reward: readonly string[];
  readonly data?: string;
  readonly task: string;
  readonly frame: string;
}

/** `vlmr1 audit`: what known exploits would earn under some rewards, before training finds them. */
export const addAudit: AddCommand = (program, terminal) => {
  program
    .command("audit")
    .description("show what known exploits would earn under some rewards")
    .requiredOption("--reward <reward>", "as for score; repeat it or use commas", collectRewards, [])
    .option(
      "--data <file>",
      'samples as lines of JSON: {"completion": "", "target", "image"?} (default: drawn scenes)',
    )
    .option(
      "--task <task>",
      "drawn scenes to try it on: referring, detection, counting or yes-no",
      "detection",
    )
    .option("--frame <frame>", "what the numbers of a box mean: pixels, unit or thousand", "pixels")
    .action((options: Options) => runAudit(options, terminal()));
};

async function runAudit(options: Options, terminal: Terminal): Promise<void> {
  const frame = namedFrame(options.frame);
  const { audit } = await import("@vlmr1/rewards");
  const { loadScore } = await import("../rewards/load-reward.ts");
  const samples =
    options.data === undefined ? await drawnSamples(options.task) : await readSamples(options.data);
  const rows = await audit(await loadScore(options.reward, { frame }), { samples, frame });
  const width = Math.max(...rows.map(({ exploit }) => exploit.length));
  const lines = rows.map(
    ({ exploit, earned, honest, beatsHonest }) =>
      `${exploit.padEnd(width)}  earns ${earned.toFixed(3)}  honest ${honest.toFixed(3)}  ${beatsHonest ? "PAYS" : ""}`,
  );
  terminal.result({ rows }, lines.join("\n"));
}

async function readSamples(file: string): Promise<RewardInput["sample"][]> {
  const { scoredLines } = await import("../rewards/scored-lines.ts");
  const samples: RewardInput["sample"][] = [];
  for await (const { sample } of scoredLines(file)) samples.push(sample);
  return samples;
}

async function drawnSamples(task: string): Promise<RewardInput["sample"][]> {
  if (!["referring", "detection", "counting", "yes-no"].includes(task)) {
    throw new VlmR1Error(
      "invalid-argument",
      `--task is referring, detection, counting or yes-no, got ${JSON.stringify(task)}.`,
    );
  }
  const { createRng } = await import("@vlmr1/core");
  const { drawScenes } = await import("@vlmr1/data");
  const scenes = drawScenes({ rng: createRng(0).fork("audit"), length: 32, task: task as "referring" });
  return Promise.all(Array.from({ length: scenes.length }, (_, index) => scenes.get(index)));
}
