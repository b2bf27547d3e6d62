import { VlmR1Error } from "@vlmr1/core";
import type { ModelFolder } from "../model-folder.ts";

/**
 * The chat template of a model folder, from the first place that has one: `chat_template.jinja`, `chat_template.json`,
 * or the field `chat_template` of `processor_config.json` and `tokenizer_config.json`, where it may be a list of named
 * templates. Undefined when there is none (a base model).
 *
 * @throws VlmR1Error `invalid-data` when the field is something else than text.
 */
export async function readChatTemplate(folder: ModelFolder): Promise<string | undefined> {
  const plain = await folder.text("chat_template.jinja");
  if (plain !== undefined) return plain;
  for (const name of ["chat_template.json", "processor_config.json", "tokenizer_config.json"]) {
    const document = await folder.json(name);
    const field = (document as { chat_template?: unknown } | null | undefined)?.chat_template;
    if (field === undefined || field === null) continue;
    return templateText(field, name);
  }
  return undefined;
}

function templateText(field: unknown, file: string): string {
  if (typeof field === "string") return field;
  const choices: unknown[] = Array.isArray(field) ? field : [];
  const named = choices.filter((choice): choice is { name: string; template: string } => isNamed(choice));
  const chosen = named.find(({ name }) => name === "default") ?? named[0];
  if (chosen) return chosen.template;
  throw new VlmR1Error(
    "invalid-data",
    `${file}: chat_template is neither text nor a list of named templates.`,
  );
}

function isNamed(value: unknown): boolean {
  const { name, template } = (value ?? {}) as { name?: unknown; template?: unknown };
  return typeof name === "string" && typeof template === "string";
}
