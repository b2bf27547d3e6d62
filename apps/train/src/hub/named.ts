import { existsSync } from "node:fs";
import type { Tree } from "../config/read-config.ts";
import type { LineWriter } from "../terminal.ts";
import { fetchSnapshot, hubSettings, parseHubName, snapshotFolder, type HubName } from "./snapshot.ts";

/** `--dataset hub:owner/name` means: in the format of the Hub's tables, and this is the data. */
export function spellOutHubDataset(said: Tree): void {
  const { dataset } = said;
  if (typeof dataset !== "string" || !dataset.startsWith("hub:")) return;
  said["dataset"] = "hugging-face";
  said["data"] ??= dataset;
}

/** What can be named. */
type Names = Partial<Record<"model" | "adapter" | "data" | "heldOutData", string | undefined>>;

/**
 * Fetches what a configuration names by its name on the Hub, and pins each name to the commit that was fetched, so that the run's own
 * config.json repeats it with the same files. What is a folder or file here is taken as that.
 */
export async function fetchNamed<Config extends Names>(config: Config, out: LineWriter): Promise<Config> {
  const fetched: Names & Config = { ...config };
  for (const key of ["model", "adapter"] as const) {
    const text = config[key];
    const name = text === undefined || existsSync(text) ? undefined : parseHubName(text, "model");
    if (name) fetched[key] = await fetchPinned(name, out);
  }
  for (const key of ["data", "heldOutData"] as const) {
    const text = config[key];
    const name = text?.startsWith("hub:") ? parseHubName(text.slice(4), "dataset") : undefined;
    if (name) fetched[key] = `hub:${await fetchPinned(name, out)}`;
  }
  return fetched;
}

/** The folder of a pinned name in the cache; anything else is a path already. */
export function localPath(text: string): string {
  if (existsSync(text)) return text;
  const isData = text.startsWith("hub:");
  const name = parseHubName(isData ? text.slice(4) : text, isData ? "dataset" : "model");
  return name && /^[0-9a-f]{40}$/.test(name.revision) ? snapshotFolder(name, hubSettings(process.env)) : text;
}

async function fetchPinned(name: HubName, out: LineWriter): Promise<string> {
  const settings = hubSettings(process.env);
  let told = Date.now();
  const { commit } = await fetchSnapshot(name, settings, ({ file, received, total }) => {
    if (Date.now() - told < 1000 && received < total) return;
    told = Date.now();
    const text = `Fetching ${name.name}: ${gigabytes(received)} of ${gigabytes(total)} GB (${file})`;
    out.write(out.isTTY ? `\r\u001b[K${text}${received === total ? "\n" : ""}` : `${text}\n`);
  });
  return `${name.name}@${commit}`;
}

const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(2);
