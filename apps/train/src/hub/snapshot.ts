import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, existsSync } from "node:fs";
import {
  copyFile,
  lstat,
  mkdir,
  readFile,
  rename,
  rm,
  stat,
  statfs,
  symlink,
  writeFile,
} from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, relative, resolve, sep } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";
import { setTimeout as wait } from "node:timers/promises";
import { VlmR1Error } from "@vlmr1/core";
import { datasetInfo, listFiles, modelInfo, type ListFileEntry } from "@huggingface/hub";

// Models and data by name, from the Hugging Face Hub. The cache is Python's (huggingface_hub): what one has fetched, the other finds.

/** A repository of the Hub at a revision: a branch, a tag or a commit. */
export interface HubName {
  readonly kind: "model" | "dataset";
  readonly name: string;
  readonly revision: string;
}

/** Where the Hub is and what may be asked of it; read from the environment as Python's library reads it. */
export interface HubSettings {
  readonly endpoint: string;
  readonly token: string | undefined;
  /** Folder of the cache, shared with Python. */
  readonly cache: string;
  /** Nothing is asked of the network. */
  readonly offline: boolean;
}

/** How far a download is. */
export interface DownloadProgress {
  readonly file: string;
  readonly files: number;
  readonly received: number;
  readonly total: number;
}

/** HF_ENDPOINT, HF_TOKEN, HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME and HF_HUB_OFFLINE, with Python's defaults. */
export function hubSettings(environment: NodeJS.ProcessEnv): HubSettings {
  const cacheHome = environment["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const home = environment["HF_HOME"] ?? join(cacheHome, "huggingface");
  return {
    endpoint: (environment["HF_ENDPOINT"] ?? "https://huggingface.co").replace(/\/+$/, ""),
    token: environment["HF_TOKEN"]?.trim() || undefined,
    cache: environment["HF_HUB_CACHE"] ?? environment["HUGGINGFACE_HUB_CACHE"] ?? join(home, "hub"),
    offline: /^(1|true|yes|on)$/i.test(environment["HF_HUB_OFFLINE"] ?? ""),
  };
}

/** `owner/name` or `owner/name@revision`; undefined for anything else, a path among it. */
export function parseHubName(text: string, kind: HubName["kind"]): HubName | undefined {
  const match = /^([\w-][\w.-]*\/[\w-][\w.-]*)(?:@([\w][\w./-]*))?$/.exec(text);
  if (!match || match[2]?.includes("..")) return undefined;
  return { kind, name: match[1]!, revision: match[2] ?? "main" };
}

/** What of a model repository is of use here: no pickles, no other framework's weights. */
const modelFiles = /(\.safetensors|\.json|\.jinja|(^|\/)(merges|vocab)\.txt|tokenizer\.model)$/;
/** What of a dataset repository is data: tables, annotations, pictures. */
const datasetFiles = /\.(parquet|arrow|jsonl?|ya?ml|csv|png|jpe?g|webp|gif|bmp|tiff?)$/i;

/** A repository on this disk: its folder, and the commit that its revision stood for. */
export interface Snapshot {
  readonly folder: string;
  readonly commit: string;
}

/**
 * Fetches the files of a repository that are of use here into the cache, and says where they are. What is there is not fetched again; what
 * was cut off is continued; every large file is checked against its SHA-256.
 *
 * @throws VlmR1Error `not-found` (no such repository or revision), `unavailable` (network, rights, or offline and not in the cache),
 *   `limit` (the disk), `invalid-data` (a checksum).
 */
export async function fetchSnapshot(
  name: HubName,
  settings: HubSettings,
  progress: (state: DownloadProgress) => void = () => undefined,
): Promise<Snapshot> {
  const storage = storageOf(name, settings);
  const commit = await resolveCommit(name, settings, storage);
  const folder = join(storage, "snapshots", commit);
  if (settings.offline) {
    if (existsSync(folder)) return { folder, commit };
    throw offlineError(name, storage);
  }
  const files = await filesOf(name, settings, commit);
  const missing = [];
  for (const file of files) if (!(await exists(join(folder, file.path)))) missing.push(file);
  await checkSpace(storage, missing);
  const total = missing.reduce((sum, { size }) => sum + size, 0);
  let before = 0;
  for (const file of missing) {
    const report = (received: number): void =>
      progress({ file: file.path, files: missing.length, received: before + received, total });
    await fetchFile({ name, settings, storage, folder, commit, file, report });
    before += file.size;
  }
  return { folder, commit };
}

const storageOf = ({ kind, name }: HubName, { cache }: HubSettings): string =>
  join(cache, `${kind}s--${name.replace("/", "--")}`);

/** Where the files of a commit lie in the cache, or would lie. */
export function snapshotFolder(name: HubName, settings: HubSettings): string {
  return join(storageOf(name, settings), "snapshots", name.revision);
}

/** The commit that a revision stands for; noted in the cache, as Python does, so that it is known offline. */
async function resolveCommit(name: HubName, settings: HubSettings, storage: string): Promise<string> {
  const { revision } = name;
  if (/^[0-9a-f]{40}$/.test(revision)) return revision;
  const reference = join(storage, "refs", revision);
  if (settings.offline) {
    if (!existsSync(reference)) throw offlineError(name, storage);
    return (await readFile(reference, "utf8")).trim();
  }
  const query = { name: name.name, revision, additionalFields: ["sha" as const], ...access(settings) };
  const { sha } = await asked(name, settings, () =>
    name.kind === "model" ? modelInfo(query) : datasetInfo(query),
  );
  if (!/^[0-9a-f]{40}$/.test(sha)) throw new VlmR1Error("invalid-data", `The Hub gave ${sha} as a commit.`);
  await mkdir(dirname(reference), { recursive: true });
  await writeFile(reference, sha);
  return sha;
}

async function filesOf(name: HubName, settings: HubSettings, commit: string): Promise<ListFileEntry[]> {
  const wanted = name.kind === "model" ? modelFiles : datasetFiles;
  const files = await asked(name, settings, async () => {
    const found: ListFileEntry[] = [];
    const query = { repo: repository(name), recursive: true, revision: commit, ...access(settings) };
    for await (const entry of listFiles(query))
      if (entry.type === "file" && wanted.test(entry.path)) found.push(entry);
    return found;
  });
  if (files.length > 0) return files;
  throw new VlmR1Error(
    "not-found",
    `${name.kind} ${name.name}@${commit} has no file that is of use here (${name.kind === "model" ? "safetensors, JSON, tokenizer" : "parquet, arrow, JSON, pictures"}).`,
  );
}

interface FileRequest {
  readonly name: HubName;
  readonly settings: HubSettings;
  readonly storage: string;
  readonly folder: string;
  readonly commit: string;
  readonly file: ListFileEntry;
  readonly report: (received: number) => void;
}

/** One file: into `blobs/`, under its hash, then a link to it from the snapshot. */
async function fetchFile(request: FileRequest): Promise<void> {
  const { storage, folder, file } = request;
  const pointer = resolve(folder, file.path);
  const hash = file.lfs?.oid ?? file.oid ?? "";
  if (!pointer.startsWith(resolve(folder) + sep) || !/^[0-9a-f]{40,64}$/.test(hash))
    throw new VlmR1Error("invalid-data", `The Hub named a file ${file.path} with hash ${hash}: refused.`);
  const blob = join(storage, "blobs", hash);
  await mkdir(dirname(blob), { recursive: true });
  if (!(await exists(blob))) {
    const incomplete = `${blob}.incomplete`;
    await continueDownload(request, incomplete);
    const digest = file.lfs ? await sha256(incomplete) : hash;
    if (digest !== hash) {
      await rm(incomplete);
      throw new VlmR1Error(
        "invalid-data",
        `${file.path} arrived with SHA-256 ${digest}, but the Hub says ${hash}. It was deleted; try again.`,
      );
    }
    await rename(incomplete, blob);
  }
  await mkdir(dirname(pointer), { recursive: true });
  await link(blob, pointer);
}

const attempts = 5;
/** A connection that brings nothing for so long is given up and taken up again, in milliseconds. */
const stall = 60_000;

/** Downloads to a file from where an earlier try ended, through cut connections. */
async function continueDownload(request: FileRequest, path: string): Promise<void> {
  const { file, name } = request;
  for (let attempt = 1; ; attempt++) {
    try {
      await downloadRest(request, path);
      if ((await stat(path)).size === file.size) return;
      throw new Error(`${(await stat(path)).size} of ${file.size} bytes came`);
    } catch (error) {
      if (VlmR1Error.is(error)) throw error;
      const size = existsSync(path) ? (await stat(path)).size : 0;
      if (size > file.size) await rm(path);
      if (attempt < attempts) {
        await wait(250 * 2 ** attempt);
        continue;
      }
      throw new VlmR1Error(
        "unavailable",
        `${file.path} of ${name.name} could not be downloaded (${attempts} tries, ${size} of ${file.size} bytes are kept in the cache): ` +
          `${reasonOf(error)}. The same command goes on from there.`,
        { cause: error },
      );
    }
  }
}

async function downloadRest(
  { name, settings, commit, file, report }: FileRequest,
  path: string,
): Promise<void> {
  const start = existsSync(path) ? (await stat(path)).size : 0;
  if (start === file.size) return;
  const folder = name.kind === "model" ? "" : "datasets/";
  const place = file.path.split("/").map(encodeURIComponent).join("/");
  const url = `${settings.endpoint}/${folder}${name.name}/resolve/${commit}/${place}`;
  const stalled = new AbortController();
  let timer = setTimeout(() => stalled.abort(), stall);
  const headers = {
    ...(settings.token && { authorization: `Bearer ${settings.token}` }), // fetch drops it when it is sent on to another host
    ...(start > 0 && { range: `bytes=${start}-` }),
  };
  try {
    const response = await fetch(url, { headers, signal: stalled.signal });
    if (!response.ok || !response.body) throw statusError(response.status, name, settings);
    let received = response.status === 206 ? start : 0;
    const watched = Readable.fromWeb(response.body as ReadableStream).on("data", (part: Buffer) => {
      clearTimeout(timer);
      timer = setTimeout(() => stalled.abort(), stall);
      report((received += part.length));
      if (received > file.size) stalled.abort(); // more than was announced
    });
    await pipeline(watched, createWriteStream(path, { flags: response.status === 206 ? "a" : "w" }));
  } finally {
    clearTimeout(timer);
  }
}

/** A relative link, as Python makes; a copy where links are not allowed (Windows without developer mode). */
async function link(blob: string, pointer: string): Promise<void> {
  try {
    await symlink(relative(dirname(pointer), blob), pointer);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return;
    if (code !== "EPERM") throw error;
    await copyFile(blob, pointer);
  }
}

async function checkSpace(folder: string, files: readonly ListFileEntry[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  const needed = files.reduce((sum, { size }) => sum + size, 0);
  const { bavail, bsize } = await statfs(folder);
  if (needed < bavail * bsize) return;
  const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
  throw new VlmR1Error(
    "limit",
    `${gigabytes(needed)} are to be downloaded to ${folder}, where ${gigabytes(bavail * bsize)} are free. Name another disk with HF_HUB_CACHE.`,
  );
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    async () => {
      if (await lstat(path).catch(() => undefined)) await rm(path); // a link whose blob is gone
      return false;
    },
  );

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

/** How the Hub's client names a repository. */
export const repository = ({ kind, name }: HubName): { type: HubName["kind"]; name: string } => ({
  type: kind,
  name,
});

/** Where the Hub's client asks, and as whom. */
export const access = ({ endpoint, token }: HubSettings) => ({
  hubUrl: endpoint,
  ...(token !== undefined && { accessToken: token }),
});

/** Asks the Hub; its refusals become errors that say what to do. */
export async function asked<T>(name: HubName, settings: HubSettings, question: () => Promise<T>): Promise<T> {
  try {
    return await question();
  } catch (error) {
    if (VlmR1Error.is(error)) throw error;
    const { statusCode } = error as { statusCode?: number };
    if (statusCode !== undefined) throw statusError(statusCode, name, settings, error);
    throw new VlmR1Error(
      "unavailable",
      `${settings.endpoint} cannot be asked for ${name.kind} ${name.name}: ${reasonOf(error)}. With HF_HUB_OFFLINE=1 the cache alone is used.`,
      { cause: error },
    );
  }
}

function statusError(status: number, name: HubName, settings: HubSettings, cause?: unknown): VlmR1Error {
  const what = `${name.kind} ${name.name}@${name.revision}`;
  if (status === 401 || status === 403) {
    const token =
      settings.token === undefined ? "No token was sent: set HF_TOKEN" : "The token of HF_TOKEN was refused";
    return new VlmR1Error(
      "unavailable",
      `${settings.endpoint} refuses ${what} (status ${status}). ${token}, and ask for access on its page if it is gated. A name that does not ` +
        "exist looks the same.",
      { cause },
    );
  }
  if (status === 404) return new VlmR1Error("not-found", `${settings.endpoint} has no ${what}.`, { cause });
  return new VlmR1Error(
    "unavailable",
    `${settings.endpoint} answered ${status} for ${what}. Try again later.`,
    {
      cause,
    },
  );
}

function offlineError(name: HubName, storage: string): VlmR1Error {
  return new VlmR1Error(
    "unavailable",
    `HF_HUB_OFFLINE is set, and ${name.name}@${name.revision} is not in the cache (${storage}). Fetch it once without HF_HUB_OFFLINE.`,
  );
}

function reasonOf(error: unknown): string {
  const { message, cause } = error as { message?: string; cause?: { message?: string } };
  return cause?.message ?? message ?? String(error);
}
