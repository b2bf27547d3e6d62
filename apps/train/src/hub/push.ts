import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { VlmR1Error } from "@vlmr1/core";
import { createRepo, uploadFilesWithProgress } from "@huggingface/hub";
import { stringify } from "yaml";
import { estimateText } from "../pages/sections.ts";
import { appVersion } from "../program.ts";
import type { RunEvent } from "../run/events.ts";
import { readRun } from "../run/folder.ts";
import { access, asked, parseHubName, repository, type HubName, type HubSettings } from "./snapshot.ts";

/** What is pushed, and where to. */
export interface PushRequest {
  /** Folder of a run, or of a model or adapter alone. */
  readonly folder: string;
  readonly name: HubName;
  readonly settings: HubSettings;
  /** Whether a new repository is private. */
  readonly isPrivate: boolean;
  readonly say: (text: string) => void;
}

/**
 * Uploads the model or adapter of a run, its report and its configuration, with a model card, in one commit; the repository is made if it is
 * not there. A README.md in the model's folder is taken as the card instead.
 *
 * @throws VlmR1Error `invalid-argument` without a token or a model, `unavailable` when the Hub refuses.
 */
export async function pushModel({
  folder,
  name,
  settings,
  isPrivate,
  say,
}: PushRequest): Promise<{ url: string }> {
  const { token } = settings;
  if (token === undefined)
    throw new VlmR1Error("invalid-argument", "Pushing needs a token with the right to write: set HF_TOKEN.");
  if (settings.offline) throw new VlmR1Error("invalid-argument", "HF_HUB_OFFLINE is set: nothing is pushed.");
  const files = filesToPush(folder);
  const credentials = { ...access(settings), accessToken: token };
  await asked(name, settings, () => createIfMissing(name, isPrivate, credentials));
  await asked(name, settings, async () => {
    const title = `Upload by vlmr1 ${appVersion}`;
    const upload = { repo: repository(name), files, commitTitle: title, ...credentials };
    for await (const event of uploadFilesWithProgress(upload))
      if (event.event === "fileProgress" && event.progress === 1 && event.state === "uploading")
        say(`${event.path} is there`);
  });
  return { url: `${settings.endpoint}/${name.name}` };
}

async function createIfMissing(
  name: HubName,
  isPrivate: boolean,
  credentials: { hubUrl: string; accessToken: string },
): Promise<void> {
  try {
    const visibility = isPrivate ? "private" : "public";
    await createRepo({ repo: repository(name), visibility, ...credentials });
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode !== 409) throw error; // it exists
  }
}

/** The files of a push, as the Hub's client takes them: addresses of files, and the card as text. */
function filesToPush(folder: string): (URL | { path: string; content: Blob | URL })[] {
  const isRun = existsSync(join(folder, "events.jsonl"));
  const model = isRun ? join(folder, "model") : folder;
  const names = existsSync(model) ? readdirSync(model) : [];
  if (!names.some((name) => name.endsWith(".safetensors")))
    throw new VlmR1Error(
      "invalid-argument",
      `${model} holds no model: there is no .safetensors file. Give the folder of a run that has ended, or of a model or adapter.`,
    );
  const file = (path: string, source: string) => ({ path, content: pathToFileURL(source) });
  const wanted = names.filter((name) => /\.(safetensors|json|jinja|txt|model|md)$/.test(name));
  const files = wanted.map((name): { path: string; content: Blob | URL } => file(name, join(model, name)));
  for (const name of isRun ? ["report.html", "config.json"] : [])
    if (existsSync(join(folder, name)))
      files.push(file(name === "config.json" ? "vlmr1-config.json" : name, join(folder, name)));
  if (!names.includes("README.md")) {
    const card = modelCard(model, isRun ? readRun(folder) : []);
    files.push({ path: "README.md", content: new Blob([card]) });
  }
  return files;
}

/** What the page of the model says: where it comes from, what was measured, how to repeat it. */
export function modelCard(model: string, events: readonly RunEvent[]): string {
  const start = events.find((event) => event.kind === "start");
  const adapterPath = join(model, "adapter_config.json");
  const isAdapter = existsSync(adapterPath);
  const config = (start?.config ?? {}) as { readonly model?: string; readonly dataset?: string };
  const declared = isAdapter
    ? (JSON.parse(readFileSync(adapterPath, "utf8")) as { base_model_name_or_path?: string })
        .base_model_name_or_path
    : undefined;
  const base = [config.model, declared].flatMap((text) => parseHubName(text ?? "", "model") ?? [])[0]?.name;
  const dataset = parseHubName((config.dataset ?? "").replace(/^hub:/, ""), "dataset")?.name;
  const header = {
    library_name: isAdapter ? "peft" : "transformers",
    pipeline_tag: "image-text-to-text",
    tags: ["vlm-r1", "grpo", "reinforcement-learning"],
    ...(base && { base_model: base, base_model_relation: isAdapter ? "adapter" : "finetune" }),
    ...(dataset && { datasets: [dataset] }),
  };
  const title = start?.title ?? basename(model);
  const lines = [
    `---\n${stringify(header)}---\n`,
    `# ${title}\n`,
    `Trained with [vlm-r1](https://github.com/vlm-r1/vlm-r1) (vlmr1 ${appVersion}), by rules as rewards.\n`,
    ...measured(events),
    ...(start
      ? [
          "## Repeat it\n",
          `\`\`\`sh\n${start.command}\n\`\`\`\n`,
          "Every option is in `vlmr1-config.json`.\n",
        ]
      : []),
    ...(start ? ["Curves, pictures and completions are in `report.html`: download it and open it.\n"] : []),
  ];
  return lines.join("\n");
}

function measured(events: readonly RunEvent[]): string[] {
  const evaluations = events.filter((event) => event.kind === "evaluation");
  const names = [...new Set(evaluations.flatMap(({ metrics }) => Object.keys(metrics)))];
  if (names.length === 0) return [];
  const rows = evaluations.map(
    ({ name, step, metrics }) =>
      `| ${name} (step ${step}) | ${names.map((metric) => (metrics[metric] ? estimateText(metrics[metric]) : "")).join(" | ")} |`,
  );
  return [
    "Measured on held-out samples, with 95 % bootstrap intervals:\n",
    `| | ${names.join(" | ")} |\n|---|${names.map(() => "---|").join("")}\n${rows.join("\n")}\n`,
  ];
}
