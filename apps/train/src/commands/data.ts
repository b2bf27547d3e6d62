import type { AddCommand } from "../command-line.ts";
import { addConfigCommand } from "../compose/config-command.ts";
import { dataScope, drawScope } from "../compose/flag-scopes.ts";
import { numberOption } from "./number-option.ts";

/** `vlmr1 data …`: look at data, check it, or draw some. */
export const addData: AddCommand = (program, terminal) => {
  const command = program.command("data").description("look at data, check it, or draw some");
  const schema = async () => (await import("../config/run-config.ts")).RunConfig;
  const work = () => import("../compose/data-commands.ts");
  addConfigCommand(command, terminal, {
    name: "preview",
    description: "a contact sheet and a page of samples with their boxes, as the model sees them",
    schema,
    scope: dataScope,
    options: (inner) =>
      void inner
        .option("--count <n>", "samples to show", numberOption, 12)
        .option("--first <n>", "the first one shown", numberOption, 0),
    run: async (given, output) => (await work()).previewData(given, output),
  });
  addConfigCommand(command, terminal, {
    name: "check",
    description: "read every sample and report the bad ones",
    schema,
    scope: dataScope,
    run: async (given, output) => (await work()).checkData(given, output),
  });
  addConfigCommand(command, terminal, {
    name: "draw",
    description: "draw scenes with exact answers to disk, as COCO and RefCOCO files",
    schema,
    scope: drawScope,
    options: (inner) => void inner.option("--all-splits", "also the splits that change one thing each"),
    run: async (given, output) => (await work()).drawData(given, output),
  });
};
