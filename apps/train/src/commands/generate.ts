import { convertBox, createRng, pixels, type Box } from "@vlmr1/core";
import type { LogitTable } from "@vlmr1/model";
import { readBoxes } from "@vlmr1/rewards";
import { Option, type Command } from "commander";
import { frameNames, precisions, type RunConfig } from "../config/run-config.ts";
import { addDeviceOptions } from "../model/device.ts";
import { fetchNamed } from "../hub/named.ts";
import { readMessages, writeAnnotated } from "../model/messages.ts";
import { modelFrame, withModel, type ModelOptions } from "../model/open-model.ts";
import type { Terminal } from "../terminal.ts";
import type { BuildCommand } from "./index.ts";
import { numberOption } from "./options.ts";

interface PromptOptions extends ModelOptions {
  readonly messages: string;
  readonly images?: string;
}

interface GenerateOptions extends PromptOptions {
  readonly maxNewTokens?: number;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly repetitionPenalty?: number;
  readonly seed: number;
  readonly frame: RunConfig["frame"];
  readonly picture?: string;
}

interface InspectOptions extends PromptOptions {
  readonly completion?: string;
}

/** `vlmr1 generate`: what a model answers to a conversation with pictures. */
export const buildGenerate: BuildCommand = (command, terminal) => {
  addPromptOptions(command)
    .option("--max-new-tokens <n>", "longest completion", numberOption)
    .option(
      "--temperature <t>",
      "0 is greedy, 1 the model's own distribution (default: the checkpoint's)",
      numberOption,
    )
    .option("--top-k <k>", "sample from the k likeliest tokens", numberOption)
    .option("--top-p <p>", "sample from the likeliest tokens that make up p", numberOption)
    .option(
      "--repetition-penalty <r>",
      "divides the logits of tokens already seen (default: the checkpoint's; none when greedy)",
      numberOption,
    )
    .option("--seed <s>", "the same seed gives the same completion", numberOption, 0)
    .addOption(
      new Option("--frame <frame>", "what the numbers of a box mean").choices(frameNames).default("auto"),
    )
    .option("--picture <file>", "write the first image with the completion's boxes drawn (PNG)")
    .action((options: GenerateOptions) => generate(options, terminal()));
};

/** `vlmr1 inspect`: everything that a prompt becomes, for whoever ports a model or doubts one. */
export const buildInspect: BuildCommand = (command, terminal) => {
  addPromptOptions(command)
    .option("--completion <text>", "also give the log-probability of each token of this completion")
    .action((options: InspectOptions) => inspect(options, terminal()));
};

function addPromptOptions(command: Command): Command {
  command
    .requiredOption(
      "--model <dir>",
      "folder of a Hugging Face checkpoint, owner/name on the Hub, or nano: the built-in model of the demo",
    )
    .requiredOption("--messages <file>", "conversation in the Hugging Face chat form; image parts name files")
    .option("--images <dir>", "folder of the images (default: the folder of the messages)")
    .option("--adapter <dir>", "folder of a PEFT adapter, or owner/name on the Hub")
    .addOption(
      new Option(
        "--precision <precision>",
        "how the weights are stored: fewer bits take less memory, and rounding them changes the model",
      )
        .choices(precisions)
        .default("float32"),
    );
  return addDeviceOptions(command);
}

async function generate(options: GenerateOptions, terminal: Terminal): Promise<void> {
  const request = await readMessages(options.messages, options.images);
  await withModel(await fetchNamed(options, terminal.out), async (model) => {
    const { maxNewTokens, temperature, topK, topP } = options;
    const streaming = !terminal.json && terminal.out.isTTY === true;
    let shown = "";
    const [[completion] = []] = await model.generate([model.preprocess(request)], {
      rng: createRng(options.seed),
      ...(maxNewTokens !== undefined && { maxNewTokens }),
      ...(temperature !== undefined && { temperature }),
      // Greedy is the likeliest token of the raw distribution, unless a penalty is asked for.
      ...(temperature === 0 && { repetitionPenalty: 1 }),
      ...(options.repetitionPenalty !== undefined && { repetitionPenalty: options.repetitionPenalty }),
      ...(topK !== undefined && { topK }),
      ...(topP !== undefined && { topP }),
      ...(streaming && {
        onUpdate: ({ text }) => {
          if (text.startsWith(shown)) terminal.out.write(text.slice(shown.length));
          shown = text;
        },
      }),
    });
    const { tokenIds = [], text = "" } = completion ?? {};
    const image = request.images[0];
    let boxes: Box[] = [];
    if (image) {
      const frame = modelFrame(model, options.frame)(image);
      boxes = readBoxes(text).map((box) => convertBox(box, frame, pixels(image)));
      if (options.picture !== undefined) await writeAnnotated(image, boxes, options.picture);
    }
    const result = { tokenIds, text, ...(boxes.length > 0 && { boxes }) };
    terminal.result(result, streaming ? text.slice(shown.length) : text);
  });
}

async function inspect(options: InspectOptions, terminal: Terminal): Promise<void> {
  const request = await readMessages(options.messages, options.images);
  await withModel(await fetchNamed(options, terminal.out), async (model) => {
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
      /** Logits after the prompt: what the first token of a completion is drawn from. */
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
