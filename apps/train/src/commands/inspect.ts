import type { LogitTable } from "@vlmr1/model";
import type { AddCommand } from "../command-line.ts";
import type { ModelOptions } from "../model/open-model.ts";
import type { Terminal } from "../terminal.ts";
import { numberOption } from "./number-option.ts";

interface Options extends ModelOptions {
  readonly messages: string;
  readonly images?: string;
  readonly completion?: string;
}

/** `vlmr1 inspect`: everything that a prompt becomes, for whoever ports a model or doubts one. */
export const addInspect: AddCommand = (program, terminal) => {
  program
    .command("inspect")
    .description("show what a prompt becomes: tokens, positions, image grids, logits")
    .requiredOption("--model <dir>", "folder of a Hugging Face checkpoint")
    .requiredOption("--messages <file>", "conversation in the Hugging Face chat form; image parts name files")
    .option("--images <dir>", "folder of the images (default: the folder of the messages)")
    .option("--adapter <dir>", "folder of a PEFT adapter")
    .option("--completion <text>", "also give the log-probability of each token of this answer")
    .option("--device <device>", "cpu or tensorflow", "cpu")
    .option("--threads <n>", "threads inside one operation", numberOption)
    .action((options: Options) => inspect(options, terminal()));
};

async function inspect(options: Options, terminal: Terminal): Promise<void> {
  const { readMessages } = await import("../model/read-messages.ts");
  const { withModel } = await import("../model/open-model.ts");
  const request = await readMessages(options.messages, options.images);
  await withModel(options, async (model) => {
    const prompt = model.preprocess(request);
    const completionIds = options.completion === undefined ? [] : model.tokenize(options.completion);
    const table = await model.logits(prompt, completionIds);
    const axes = prompt.positions.axes.map((axis) => [...axis]);
    const multimodal = model.architecture.decoder.rotaryAxes.some((axis) => axis !== 0);
    const last = prompt.ids.length - 1;
    const result = {
      inputIds: prompt.ids,
      positionIds: multimodal ? axes : axes[0],
      imageGrids: prompt.images.map(({ grid }) => grid),
      ...(options.completion !== undefined && {
        completionIds,
        logProbs: completionIds.map((id, index) => logProb(table, last + index, id)),
      }),
      /** Logits after the prompt: what the first token of an answer is drawn from. */
      lastLogits: [...row(table, last)],
    };
    const top = [...result.lastLogits.entries()].toSorted(([, a], [, b]) => b - a).slice(0, 8);
    const lines = [
      `tokens     ${prompt.ids.length}: ${prompt.ids.map((id) => model.tokenizer.token(id) ?? `#${id}`).join(" ")}`,
      `images     ${prompt.images.map(({ grid, tokens }) => `${grid.join("x")} (${tokens} tokens)`).join(", ") || "none"}`,
      `positions  ${axes.map((axis) => `${axis[0]}..${axis.at(-1)}`).join("  ")}`,
      `next token ${top.map(([id, logit]) => `${JSON.stringify(model.tokenizer.token(id) ?? id)} ${logit.toFixed(2)}`).join("  ")}`,
      ...(result.logProbs
        ? [`completion ${result.logProbs.map((value) => value.toFixed(3)).join(" ")}`]
        : []),
    ];
    terminal.result(result, lines.join("\n"));
  });
}

function row({ data, shape: [, vocabulary] }: LogitTable, position: number): Float32Array {
  return data.subarray(position * vocabulary, (position + 1) * vocabulary);
}

/** log softmax(logits)[id], in double precision. */
function logProb(table: LogitTable, position: number, id: number): number {
  const logits = row(table, position);
  const largest = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - largest), 0);
  return (logits[id] ?? -Infinity) - largest - Math.log(sum);
}
