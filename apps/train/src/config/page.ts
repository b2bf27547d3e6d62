import type { z } from "zod";
import { configFlags, headings, scopes, type ConfigFlag, type ConfigOption } from "./options.ts";

const introduction = `# Configuration

Everything that \`vlmr1 grpo\`, \`sft\`, \`eval model\` and \`data\` can be told. This page is made from the schema that reads the options, and a
test keeps it so.

Each option is a flag (\`--group-size 8\`), a member of a YAML or JSON file (\`--config run.yaml\` with \`grpo: {groupSize: 8}\`) and a setting
(\`--set grpo.groupSize=8\`). Settings win over flags, flags over the file, the file over what the command starts from, that over the defaults
below. Unknown keys are errors. The resolved configuration of a run is \`config.json\` in its folder; \`--config\` with that file repeats it.

What a command starts from: the learning rate is 1e-5 with \`--train lora\`; \`--model nano\` starts from the recipe of \`vlmr1 demo\`.

Lists take commas or repeated flags; a list or record may be JSON. \`eval model\` writes \`--metrics\`, \`--batch-size\`, \`--max-new-tokens\`,
\`--temperature\` and \`--completions\` without the \`evaluation\` in front.
`;

/** docs/configuration.md: every option with its flags, its default and what it does. */
export function configurationPage(schema: z.ZodType): string {
  const grpo = flagsByKey(schema, "grpo");
  const sft = flagsByKey(schema, "sft");
  const flags = [...new Map([...grpo, ...sft]).values()];
  const parts = headings.map((heading) => {
    const rows = flags
      .filter(({ group }) => group === heading)
      .map((option) => {
        const { key } = option;
        const flag = grpo.get(key)?.flag ?? sft.get(key)?.flag ?? "";
        const isSection = key.startsWith("grpo.") || key.startsWith("sft.");
        const only = isSection || grpo.has(key) === sft.has(key) ? "" : grpo.has(key) ? " (grpo)" : " (sft)";
        return `| \`${key}\` | \`${flag}\`${only} | ${cell(defaultText(option))} | ${cell(aboutText(option))} |`;
      });
    return [
      `## ${heading}`,
      "",
      "| in a file | flag | default | |",
      "| --- | --- | --- | --- |",
      ...rows,
    ].join("\n");
  });
  return `${introduction}\n${parts.join("\n\n")}\n`;
}

function flagsByKey(schema: z.ZodType, command: "grpo" | "sft"): Map<string, ConfigFlag> {
  return new Map(configFlags(schema, scopes[command]).map((flag) => [flag.key, flag]));
}

function defaultText({ fallback }: ConfigOption): string {
  if (fallback === undefined) return "";
  const text = typeof fallback === "string" ? fallback : JSON.stringify(fallback);
  return text.length > 60 ? "see the description" : `\`${text}\``;
}

function aboutText({ description, choices }: ConfigOption): string {
  const listed = choices.filter((choice) => !description.includes(choice));
  return listed.length === 0
    ? description
    : `${description} One of ${choices.map((choice) => `\`${choice}\``).join(", ")}.`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("*", "\\*").replaceAll("<", "&lt;");
}
