import type { Command } from "commander";
import type { Terminal } from "../terminal.ts";

/** Gives a command its options, its parts and what it does. The terminal is known once the options are read. */
export type BuildCommand = (command: Command, terminal: () => Terminal) => void;

/** A command of `vlmr1`. Its page is imported when the command is asked for. */
interface CommandEntry {
  readonly name: string;
  readonly about: string;
  /** Heading in `vlmr1 --help`. */
  readonly group: string;
  readonly load: () => Promise<BuildCommand>;
}

const [learn, use, rules, more] = [
  "Learn:",
  "Use and measure a model:",
  "Data and rewards:",
  "More:",
] as const;

/** Every command, in the order in which `--help` lists them. */
export const commands: readonly CommandEntry[] = [
  {
    name: "demo",
    about: "watch a tiny vision-language model learn to point, from rules alone (about four minutes)",
    group: learn,
    load: async () => (await import("./demo.ts")).buildDemo,
  },
  {
    name: "grpo",
    about: "train a model with rules as rewards (GRPO and its variants)",
    group: learn,
    load: async () => (await import("./train.ts")).buildTraining("grpo"),
  },
  {
    name: "sft",
    about: "train a model to imitate completions (supervised fine-tuning)",
    group: learn,
    load: async () => (await import("./train.ts")).buildTraining("sft"),
  },
  {
    name: "generate",
    about: "let a model answer a question about pictures",
    group: use,
    load: async () => (await import("./generate.ts")).buildGenerate,
  },
  {
    name: "inspect",
    about: "show what a prompt becomes: tokens, positions, image grids, logits",
    group: use,
    load: async () => (await import("./generate.ts")).buildInspect,
  },
  {
    name: "eval",
    about: "evaluate a model on a dataset, or a COCO results file",
    group: use,
    load: async () => (await import("./evaluate.ts")).buildEvaluate,
  },
  {
    name: "data",
    about: "look at data, check it, or draw some",
    group: rules,
    load: async () => (await import("./data.ts")).buildData,
  },
  {
    name: "score",
    about: "score completions that any model wrote, with any rewards",
    group: rules,
    load: async () => (await import("./score.ts")).buildScore,
  },
  {
    name: "audit",
    about: "show what known exploits would earn under some rewards",
    group: rules,
    load: async () => (await import("./score.ts")).buildAudit,
  },
  {
    name: "init",
    about: "answer five questions and get a configuration file",
    group: more,
    load: async () => (await import("./init.ts")).buildInit,
  },
  {
    name: "report",
    about: "write the report of a run: one HTML file with curves, pictures and completions",
    group: more,
    load: async () => (await import("./report.ts")).buildReport,
  },
  {
    name: "push",
    about: "put the model or adapter of a run on the Hugging Face Hub, with its report and a model card",
    group: more,
    load: async () => (await import("./push.ts")).buildPush,
  },
  {
    name: "experiment",
    about: "questions of the literature, asked of drawn scenes",
    group: more,
    load: async () => (await import("./experiment.ts")).buildExperiment,
  },
  {
    name: "devices",
    about:
      "what this machine can compute on, how fast a matrix product is there, and what to install for more",
    group: more,
    load: async () => (await import("./devices.ts")).buildDevices,
  },
  {
    name: "bench",
    about: "compare with Python peers on this machine; `bench setup` installs them",
    group: more,
    load: async () => (await import("./report.ts")).buildBench,
  },
  {
    name: "completion",
    about: "a script that completes commands and options in bash, zsh or fish",
    group: more,
    load: async () => (await import("./completion.ts")).buildCompletion,
  },
];
