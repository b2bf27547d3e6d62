import { existsSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { VlmR1Error } from "@vlmr1/core";
import { stringify } from "yaml";
import { didYouMean } from "../config/suggest.ts";
import { datasetNames, RunConfig } from "../config/run-config.ts";
import { namedDatasets } from "../datasets/named-datasets.ts";
import { decide } from "../plan/decide.ts";
import { commandLine } from "../program.ts";
import type { Terminal } from "../terminal.ts";
import type { BuildCommand } from "./index.ts";

/** `vlmr1 init`: five questions, and a configuration file of the answers. */
export const buildInit: BuildCommand = (command, terminal) => {
  command
    .option("--out <file>", "the file to write", "vlmr1.yaml")
    .action(({ out }: { readonly out: string }) => init(out, terminal()));
};

/** A question with the answer that Enter gives, and what makes of an answer a part of the configuration. */
interface Question {
  readonly text: string;
  readonly usual: (config: Config) => string;
  readonly read: (answer: string, config: Config) => Config;
}

type Config = Readonly<Record<string, unknown>>;

const questions: readonly Question[] = [
  {
    text: "1  Which model? The folder of a Hugging Face checkpoint, or nano, the built-in one.",
    usual: () => "nano",
    read: (model) => {
      if (model !== "nano" && !existsSync(model)) throw refused(`There is no folder ${model}.`);
      return { model };
    },
  },
  {
    text: `2  Which data? Its format and, after a space, where it is. Formats: ${datasetNames.join(", ")}.`,
    usual: () => "scenes",
    read: (answer) => {
      const [dataset = "", ...path] = answer.split(/\s+/);
      const known = datasetNames.find((name) => name === dataset);
      if (!known) throw refused(`There is no format ${dataset}.${didYouMean(dataset, datasetNames)}`);
      if (path.length === 0 && known !== "scenes")
        throw refused(`${dataset} needs a path after a space: ${namedDatasets[known].path}.`);
      return path.length === 0 ? { dataset } : { dataset, data: path.join(" ") };
    },
  },
  {
    text: "3  Which rewards? Rules with commas and weights, such as iou,0.5*format; Enter takes those that fit the data.",
    usual: () => "",
    read: (answer) => (answer === "" ? {} : { rewards: answer.split(",").map((text) => text.trim()) }),
  },
  {
    text: "4  What is trained? lora (an adapter), language (the decoder) or all.",
    usual: ({ model }) => (model === "nano" ? "language" : "lora"),
    read: (train) => {
      if (!["lora", "language", "all"].includes(train)) throw refused("It is lora, language or all.");
      return { train };
    },
  },
  {
    text: "5  How many steps?",
    usual: () => "300",
    read: (answer) => {
      const steps = Number(answer);
      if (!Number.isInteger(steps) || steps < 1) throw refused("It is a whole number of at least 1.");
      return { grpo: { steps } };
    },
  },
];

async function init(out: string, terminal: Terminal): Promise<void> {
  if (existsSync(out))
    throw new VlmR1Error("invalid-argument", `${out} exists: remove it, or choose another file with --out.`);
  const input = createInterface({ input: process.stdin });
  const lines = input[Symbol.asyncIterator]();
  try {
    let config: Config = {};
    for (const question of questions)
      config = { ...config, ...(await ask(question, config, lines, terminal)) };
    await decide("grpo", RunConfig.parse(config));
    const text = `# Every option: docs/configuration.md. Run it with: ${commandLine(["grpo", "--config", out])}\n${stringify(config)}`;
    writeFileSync(out, text, { flag: "wx" });
    terminal.result(
      { file: out, config },
      `\n${out} is written. Look at the plan, then run it:\n  ${commandLine(["grpo", "--config", out, "--dry-run"])}\n  ${commandLine(["grpo", "--config", out])}`,
    );
  } finally {
    input.close();
  }
}

/** Asks until the answer can be used. */
async function ask(
  { text, usual, read }: Question,
  config: Config,
  lines: AsyncIterator<string>,
  terminal: Terminal,
): Promise<Config> {
  for (;;) {
    const otherwise = usual(config);
    terminal.say(`${text}${otherwise === "" ? "" : ` [${otherwise}]`}`);
    const { value, done } = await lines.next();
    if (done === true)
      throw new VlmR1Error("aborted", "The questions were not answered: nothing is written.");
    try {
      return read(value.trim() || otherwise, config);
    } catch (error) {
      if (!VlmR1Error.is(error)) throw error;
      terminal.say(`   ${error.message}`);
    }
  }
}

function refused(message: string): VlmR1Error {
  return new VlmR1Error("invalid-argument", message);
}
