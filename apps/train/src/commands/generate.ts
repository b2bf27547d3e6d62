import { createRng, pixels, convertBox, type Box } from "@vlmr1/core";
import type { AddCommand } from "../command-line.ts";
import { numberOption } from "./number-option.ts";
import type { ModelOptions } from "../model/open-model.ts";
import type { FrameName } from "../model/model-frame.ts";
import type { Terminal } from "../terminal.ts";

interface Options extends ModelOptions {
  readonly messages: string;
  readonly images?: string;
  readonly maxNewTokens?: number;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly repetitionPenalty?: number;
  readonly seed: number;
  readonly frame: FrameName;
  readonly picture?: string;
}

/** `vlmr1 generate`: what a model answers to a conversation with pictures. */
export const addGenerate: AddCommand = (program, terminal) => {
  program
    .command("generate")
    .description("let a model answer a question about pictures")
    .requiredOption("--model <dir>", "folder of a Hugging Face checkpoint")
    .requiredOption("--messages <file>", "conversation in the Hugging Face chat form; image parts name files")
    .option("--images <dir>", "folder of the images (default: the folder of the messages)")
    .option("--adapter <dir>", "folder of a PEFT adapter")
    .option("--max-new-tokens <n>", "longest answer", numberOption)
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
    .option("--seed <s>", "the same seed gives the same answer", numberOption, 0)
    .option(
      "--frame <frame>",
      "what the numbers of a box mean: auto, pixels, unit, thousand, resized",
      "auto",
    )
    .option("--picture <file>", "write the first image with the answer's boxes drawn (PNG)")
    .option("--device <device>", "cpu or tensorflow", "cpu")
    .option("--threads <n>", "threads inside one operation", numberOption)
    .action((options: Options) => generate(options, terminal()));
};

async function generate(options: Options, terminal: Terminal): Promise<void> {
  const { readMessages } = await import("../model/read-messages.ts");
  const { withModel } = await import("../model/open-model.ts");
  const { modelFrame } = await import("../model/model-frame.ts");
  const request = await readMessages(options.messages, options.images);
  await withModel(options, async (model) => {
    const { maxNewTokens, temperature, topK, topP } = options;
    const streaming = !terminal.json && terminal.out.isTTY === true;
    let shown = "";
    const [[answer] = []] = await model.generate([model.preprocess(request)], {
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
    const { tokenIds = [], text = "" } = answer ?? {};
    const image = request.images[0];
    let boxes: Box[] = [];
    if (image) {
      const { readBoxes } = await import("@vlmr1/rewards");
      const frame = modelFrame(model, options.frame)(image);
      boxes = readBoxes(text).map((box) => convertBox(box, frame, pixels(image)));
      if (options.picture !== undefined) {
        const { writeAnnotated } = await import("../model/annotated-picture.ts");
        await writeAnnotated(image, boxes, options.picture);
      }
    }
    const result = { tokenIds, text, ...(boxes.length > 0 && { boxes }) };
    terminal.result(result, streaming ? text.slice(shown.length) : text);
  });
}
