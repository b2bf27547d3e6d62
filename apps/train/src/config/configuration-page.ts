import type { z } from "zod";
import { configFlags } from "../compose/config-flags.ts";
import { trainingScopes } from "../compose/flag-scopes.ts";
import type { SchemaLeaf } from "./schema-leaves.ts";

const introduction = `# Configuration

Everything that \`vlmr1 grpo\`, \`sft\`, \`eval model\` and \`data\` can be told. This page is made from the schema that reads the options, and a
test keeps it so.

Each option is a flag (\`--group-size 8\`), a member of a JSON file (\`--config run.json\` with \`{"grpo": {"groupSize": 8}}\`) and a setting
(\`--set grpo.groupSize=8\`). Settings win over flags, flags over the file, the file over what the command starts from, that over the defaults
below. Unknown keys are errors. The resolved configuration of a run is \`config.json\` in its folder; \`--config\` with that file repeats it.

What a command starts from: the learning rate is 1e-5 with \`--train lora\`; \`--model nano\` starts from the recipe of \`vlmr1 demo\`.

Lists take commas or repeated flags; a list or record may be JSON. \`eval model\` writes \`--metrics\`, \`--batch-size\`, \`--max-new-tokens\`,
\`--temperature\` and \`--completions\` without the \`evaluation\` in front.
`;

/** docs/configuration.md: every option with its flags, its default and what it does. */
export function configurationPage(schema: z.ZodType): string {
  const grpo = flagsByPath(schema, "grpo");
  const sft = flagsByPath(schema, "sft");
  const leaves = [...new Map([...grpo, ...sft].map(([path, { leaf }]) => [path, leaf]))];
  const sections = new Map<string, [path: string, leaf: SchemaLeaf][]>();
  for (const [path, leaf] of leaves) {
    const name = leaf.path.length > 1 ? (leaf.path[0] as string) : "";
    sections.set(name, [...(sections.get(name) ?? []), [path, leaf]]);
  }
  const parts = [...sections].map(([name, members]) => {
    const rows = members.map(([path, leaf]) => {
      const flag = grpo.get(path)?.flag ?? sft.get(path)?.flag ?? "";
      const only =
        grpo.has(path) === sft.has(path) || name === "grpo" || name === "sft"
          ? ""
          : grpo.has(path)
            ? " (grpo)"
            : " (sft)";
      return `| \`${path}\` | \`${flag}\`${only} | ${cell(defaultText(leaf))} | ${cell(aboutText(leaf))} |`;
    });
    return [
      `## ${name === "" ? "The run" : `\`${name}\``}`,
      "",
      "| in a file | flag | default | |",
      "| --- | --- | --- | --- |",
      ...rows,
    ].join("\n");
  });
  return `${introduction}\n${parts.join("\n\n")}\n`;
}

function flagsByPath(schema: z.ZodType, command: "grpo" | "sft") {
  return new Map(
    configFlags(schema, trainingScopes[command]).map((flag) => [flag.leaf.path.join("."), flag]),
  );
}

function defaultText({ fallback }: SchemaLeaf): string {
  if (fallback === undefined) return "";
  const text = typeof fallback === "string" ? fallback : JSON.stringify(fallback);
  return text.length > 60 ? "see the description" : `\`${text}\``;
}

function aboutText({ description, choices }: SchemaLeaf): string {
  const listed = choices.filter((choice) => !description.includes(choice));
  return listed.length === 0
    ? description
    : `${description} One of ${choices.map((choice) => `\`${choice}\``).join(", ")}.`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("*", "\\*").replaceAll("<", "&lt;");
}
