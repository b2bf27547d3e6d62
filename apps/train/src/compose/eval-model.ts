import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createRng, type CompletionModel } from "@vlmr1/core";
import { evaluate, reportToJson, reportToMarkdown, type EvaluationReport } from "@vlmr1/eval";
import { sampleMessages, type Model } from "@vlmr1/model";
import type { RunConfig, RunSchema } from "../config/run-config.ts";
import { evaluationMetrics } from "../datasets/default-rules.ts";
import { namedDatasets, openDataset, type DataRequest } from "../datasets/named-datasets.ts";
import { modelFrame } from "../model/model-frame.ts";
import type { Terminal } from "../terminal.ts";
import { listenForInterruption } from "../training/interruption.ts";
import type { GivenConfig } from "./config-command.ts";
import { withRunModel } from "./open-run-model.ts";
import { resolveConfig } from "./resolve-config.ts";

/** Measures a checkpoint on a dataset and puts report.json and report.md into the run folder. */
export async function evalModel(given: GivenConfig<RunSchema>, terminal: Terminal): Promise<void> {
  const { config, directory } = resolveConfig(given, "eval");
  const say = (text: string): void => void terminal.out.write(`${text}\n`);
  const interruption = listenForInterruption(say);
  try {
    say(`Loading ${config.model}`);
    const report = await withRunModel(config, (model) => measure(model, config, say, interruption.signal));
    mkdirSync(directory, { recursive: true });
    const title = `${config.model} on ${config.dataset} ${config.split ?? ""}`.trim();
    const markdown = reportToMarkdown(report, { title });
    writeFileSync(join(directory, "report.json"), reportToJson(report));
    writeFileSync(join(directory, "report.md"), markdown);
    const { samples, level, totals, groups } = report;
    terminal.result({ samples, level, totals, groups, report: join(directory, "report.json") }, markdown);
  } finally {
    interruption.dispose();
  }
}

async function measure(
  model: Model,
  config: RunConfig,
  say: (text: string) => void,
  signal: AbortSignal,
): Promise<EvaluationReport> {
  const frame = modelFrame(model, config.frame);
  const request: DataRequest = { ...config, frame, stream: "held-out" };
  const truth = namedDatasets[config.dataset].truth(request);
  const metrics = await evaluationMetrics(config.evaluation.metrics, truth, { frame });
  const dataset = await openDataset(request);
  const { batchSize, temperature, completions, maxNewTokens = 256 } = config.evaluation;
  let answered = 0;
  return evaluate({
    model: answering(model),
    dataset,
    metrics,
    rng: createRng(config.seed).fork("evaluation"),
    batchSize,
    temperature,
    completions,
    maxNewTokens,
    signal,
    onRow: () => {
      answered++;
      if (answered % 100 === 0 || answered === dataset.length) say(`${answered}/${dataset.length} answered`);
    },
  });
}

/** A model as something that answers samples. */
export function answering(model: Model): CompletionModel {
  return {
    complete: async (
      samples,
      { count, rng, signal, maxNewTokens, temperature, topK, topP, minP, ...rest },
    ) => {
      const prompts = samples.map((sample) =>
        model.preprocess({ messages: sampleMessages(sample), images: sample.images }),
      );
      const { repetitionPenalty, stop } = rest;
      return model.generate(prompts, {
        count,
        rng,
        ...(signal && { signal }),
        ...(maxNewTokens !== undefined && { maxNewTokens }),
        ...(temperature !== undefined && { temperature }),
        // Greedy is the likeliest token of the raw distribution, unless a penalty is asked for.
        ...(temperature === 0 && { repetitionPenalty: 1 }),
        ...(topK !== undefined && { topK }),
        ...(topP !== undefined && { topP }),
        ...(minP !== undefined && { minP }),
        ...(repetitionPenalty !== undefined && { repetitionPenalty }),
        ...(stop && { stop }),
      });
    },
  };
}
