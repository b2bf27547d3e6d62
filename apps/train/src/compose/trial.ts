import { finetune, train } from "@vlmr1/grpo";
import type { RunConfig } from "../config/run-config.ts";
import { withAnswers } from "../datasets/answers-to-imitate.ts";
import { rewardNames, trainingScore } from "../datasets/default-rules.ts";
import { modelFrame } from "../model/model-frame.ts";
import { chosenLoss } from "./chosen-loss.ts";
import { chosenOptimizer } from "./chosen-optimizer.ts";
import { withRunModel } from "./open-run-model.ts";
import { openRunData } from "./run-data.ts";
import { openPolicy } from "./training-run.ts";

/** The first step compiles; the second tells how long a step takes. */
const steps = 2;

/** Seconds of one step, measured: the model is loaded, two steps are made and forgotten. */
export async function trialSeconds(kind: "grpo" | "sft", config: RunConfig): Promise<number> {
  return withRunModel(config, async (model) => {
    const frame = modelFrame(model, config.frame);
    const data = await openRunData(config, frame);
    const policy = await openPolicy(model, config);
    const short = { steps, seed: config.seed, checkpointEvery: 0, evaluateEvery: 0 };
    const optimizer = chosenOptimizer(config);
    const reports =
      kind === "sft"
        ? finetune({
            policy,
            optimizer,
            dataset: withAnswers(data.train, frame, config.answerTemplate),
            config: { ...config.sft, ...short },
          })
        : train({
            policy,
            optimizer,
            dataset: data.train,
            score: await trainingScore(rewardNames(config.rewards, data.truth), data.truth, { frame }),
            loss: chosenLoss(config),
            config: { ...config.grpo, ...short },
          });
    let seconds = Number.NaN;
    for await (const report of reports) seconds = report.seconds.total;
    return seconds;
  });
}
