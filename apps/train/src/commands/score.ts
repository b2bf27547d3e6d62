import type { AddCommand } from "../command-line.ts";
import type { Terminal } from "../terminal.ts";
import { collectRewards, namedFrame } from "./scoring-options.ts";

interface Options {
  readonly reward: readonly string[];
  readonly data: string;
  readonly frame: string;
}

/** `vlmr1 score`: what rewards give to completions that any model wrote. No model is needed. */
export const addScore: AddCommand = (program, terminal) => {
  program
    .command("score")
    .description("score completions that any model wrote, with any rewards")
    .requiredOption(
      "--reward <reward>",
      "name, weight*name, name:number, ./file.ts#export or package#export; repeat it or use commas to add rewards up",
      collectRewards,
      [],
    )
    .requiredOption("--data <file>", 'lines of JSON: {"completion", "target", "image"?}')
    .option("--frame <frame>", "what the numbers of a box mean: pixels, unit or thousand", "pixels")
    .action((options: Options) => score(options, terminal()));
};

async function score(options: Options, terminal: Terminal): Promise<void> {
  const frame = namedFrame(options.frame);
  const { loadReward, loadScore, parseReward } = await import("../rewards/load-reward.ts");
  const { scoredLines } = await import("../rewards/scored-lines.ts");
  const requests = options.reward.map(parseReward);
  const single = requests.length === 1 && requests[0]?.weight === 1 ? requests[0] : undefined;
  const scores: number[] = [];
  const parts: Readonly<Record<string, number>>[] = [];
  if (single) {
    const reward = await loadReward(single, { frame });
    for await (const input of scoredLines(options.data)) scores.push(await reward(input));
  } else {
    const combined = await loadScore(options.reward, { frame });
    for await (const input of scoredLines(options.data)) {
      const { total, scores: each } = await combined(input);
      scores.push(total);
      parts.push(each);
    }
  }
  const mean = scores.reduce((sum, value) => sum + value, 0) / Math.max(1, scores.length);
  const text = [
    ...scores.map((value, index) => `${String(index + 1).padStart(6)}  ${value.toFixed(4)}`),
    `  mean  ${mean.toFixed(4)}`,
  ];
  terminal.result({ scores, ...(parts.length > 0 && { parts }) }, text.join("\n"));
}
