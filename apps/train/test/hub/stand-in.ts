import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A repository of the stand-in. Files named `large` are kept by their SHA-256, as git LFS does. */
export interface StandInRepository {
  readonly commit: string;
  readonly files: Map<string, Buffer>;
  readonly gated?: boolean;
}

export interface StandInHub {
  readonly url: string;
  /** `models/owner/name` or `datasets/owner/name`. */
  readonly repositories: Map<string, StandInRepository>;
  /** Every request, as `METHOD path`, and the range it asked for. */
  readonly requests: { readonly line: string; readonly range: string | undefined }[];
  /** After so many bytes of a large file the connection is cut, once for each entry. */
  readonly cuts: number[];
  /** What was uploaded by its hash, and what was committed. */
  readonly uploads: Map<string, Buffer>;
  readonly commits: { readonly repository: string; readonly lines: readonly Record<string, unknown>[] }[];
  close(): Promise<void>;
}

const isLarge = (path: string): boolean => /\.(safetensors|parquet|png)$/.test(path);
const sha256 = (data: Buffer): string => createHash("sha256").update(data).digest("hex");
const blobId = (data: Buffer): string =>
  createHash("sha1").update(`blob ${data.length}\0`).update(data).digest("hex");
export const token = "hf_stand_in";

/** A server that speaks as much of the Hub's API as downloading and pushing need. */
export async function serveHub(): Promise<StandInHub> {
  const hub: Omit<StandInHub, "url" | "close"> = {
    repositories: new Map(),
    requests: [],
    cuts: [],
    uploads: new Map(),
    commits: [],
  };
  const server = createServer((request, response) => {
    void bodyOf(request).then((body) => {
      const line = `${request.method} ${decodeURIComponent(request.url ?? "").split("?")[0]}`;
      hub.requests.push({ line, range: request.headers.range });
      answer(hub, { line, body, request, response, url });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    ...hub,
    url,
    close: () => (server.closeAllConnections(), new Promise((resolve) => server.close(() => resolve()))),
  };
}

interface Exchange {
  readonly line: string;
  readonly body: Buffer;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: string;
}

function answer(hub: Omit<StandInHub, "url" | "close">, exchange: Exchange): void {
  const { line, body, request, response } = exchange;
  const json = (value: unknown, status = 200): void =>
    void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
  const authorized = request.headers.authorization === `Bearer ${token}`;
  const named = (kind: string, name: string): StandInRepository | undefined => {
    const found = hub.repositories.get(`${kind}/${name}`);
    if (!found) json({ error: "Repository not found" }, 404);
    else if (found.gated && !authorized) json({ error: "Access to it is restricted" }, 401);
    else return found;
    return undefined;
  };
  let match = /^GET \/api\/(models|datasets)\/([\w.-]+\/[\w.-]+)\/revision\/(.+)$/.exec(line);
  if (match) {
    const found = named(match[1]!, match[2]!);
    if (found) json({ _id: "1", id: match[2], sha: found.commit, lastModified: "2026-01-01T00:00:00Z" });
    return;
  }
  match = /^GET \/api\/(models|datasets)\/([\w.-]+\/[\w.-]+)\/tree\/(.+)$/.exec(line);
  if (match) {
    const found = named(match[1]!, match[2]!);
    if (found) json([...found.files].map(([path, data]) => treeEntry(path, data)));
    return;
  }
  match = /^GET \/(datasets\/)?([\w.-]+\/[\w.-]+)\/resolve\/([^/]+)\/(.+)$/.exec(line);
  if (match) {
    const found = named(match[1] ? "datasets" : "models", match[2]!);
    if (found) sendFile(hub, exchange, found.files.get(match[4]!)!);
    return;
  }
  match = /^PUT \/lfs\/([0-9a-f]{64})$/.exec(line);
  if (match) {
    hub.uploads.set(match[1]!, body); // a signed address: no token is sent here
    return void response.writeHead(200).end();
  }
  if (!authorized) return json({ error: "Invalid credentials" }, 401);
  push(hub, exchange, json, body);
}

function treeEntry(path: string, data: Buffer): object {
  const lfs = isLarge(path) && { lfs: { oid: sha256(data), size: data.length, pointerSize: 134 } };
  return { type: "file", path, size: data.length, oid: blobId(data), ...lfs };
}

function sendFile(hub: Pick<StandInHub, "cuts">, { request, response }: Exchange, data: Buffer): void {
  const start = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
  const range = start > 0 && { "content-range": `bytes ${start}-${data.length - 1}/${data.length}` };
  response.writeHead(start > 0 ? 206 : 200, { "content-length": data.length - start, ...range });
  const cut = data.length > 1000 ? hub.cuts.shift() : undefined;
  if (cut === undefined) return void response.end(data.subarray(start));
  response.write(data.subarray(start, start + cut), () => setTimeout(() => response.destroy(), 20));
}

function push(
  hub: Omit<StandInHub, "url" | "close">,
  { line, request, url }: Exchange,
  json: (value: unknown, status?: number) => void,
  body: Buffer,
): void {
  if (line === "POST /api/repos/create") {
    const { name, organization } = JSON.parse(body.toString()) as { name: string; organization: string };
    const key = `models/${organization}/${name}`;
    if (hub.repositories.has(key)) return json({ error: "You already created this model repo" }, 409);
    hub.repositories.set(key, { commit: "c".repeat(40), files: new Map() });
    return json({ url: `${url}/${organization}/${name}`, id: `${organization}/${name}` });
  }
  if (line.endsWith("/preupload/main")) {
    const { files } = JSON.parse(body.toString()) as { files: { path: string }[] };
    return json({
      files: files.map(({ path }) => ({ path, uploadMode: isLarge(path) ? "lfs" : "regular" })),
    });
  }
  if (line.endsWith(".git/info/lfs/objects/batch")) {
    const { objects } = JSON.parse(body.toString()) as { objects: { oid: string; size: number }[] };
    const actions = (oid: string) => ({ upload: { href: `${url}/lfs/${oid}`, header: {} } });
    return json({
      transfer: "basic",
      objects: objects.map((object) => ({ ...object, actions: actions(object.oid) })),
    });
  }
  const commit = /^POST \/api\/models\/([\w.-]+\/[\w.-]+)\/commit\/main$/.exec(line);
  if (commit) {
    const lines = body.toString().trim().split("\n");
    hub.commits.push({
      repository: commit[1]!,
      lines: lines.map((text) => JSON.parse(text) as Record<string, unknown>),
    });
    return json({ commitUrl: `${url}/${commit[1]}/commit/1`, commitOid: "d".repeat(40), hookOutput: "" });
  }
  json({ error: `The stand-in does not know ${line} (${request.headers["content-type"]})` }, 404);
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
