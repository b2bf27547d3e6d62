import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

/** What a package's tarball says of itself. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports?: Readonly<Record<string, unknown>>;
  readonly bin?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

export interface Registry {
  readonly url: string;
  /** The packages of the folder; the registry behind it has all others. */
  readonly packages: ReadonlyMap<string, { readonly manifest: Manifest; readonly files: readonly string[] }>;
  close(): Promise<void>;
}

/**
 * A registry as users see it after a release: the tarballs of a folder, and everything else from the registry that npm is set to.
 * Clients talk to this address only, so that whatever else is on the network can be closed to them.
 */
export async function serveRegistry(folder: string): Promise<Registry> {
  const upstream = execFileSync("npm", ["config", "get", "registry"], {
    encoding: "utf8",
    shell: true,
  }).trim();
  const tarballs = readdirSync(folder).filter((name) => name.endsWith(".tgz"));
  const packages = new Map(tarballs.map((file) => describeTarball(join(folder, file), file)));
  let url = "";
  const server = createServer((request, response) => {
    const path = request.url ?? "/";
    const name = decodeURIComponent(path.slice(1));
    const own = packages.get(name);
    if (own) return void response.end(JSON.stringify(packument(own, url)));
    if (path.startsWith("/-/own/")) return void response.end(readFileSync(join(folder, path.slice(7))));
    // A platform's runtime that was not packed here: on the real registry it exists, and the client passes it by.
    if (name.startsWith("@vlmr1/")) return void response.writeHead(404).end("{}");
    pass(upstream, path, request.headers, url, response).catch((error: unknown) =>
      response.writeHead(502).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return {
    url,
    packages,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

interface Tarball {
  readonly manifest: Manifest;
  readonly files: readonly string[];
  readonly file: string;
  readonly integrity: string;
}

function describeTarball(path: string, file: string): [string, Tarball] {
  const tar = (...args: string[]): string => execFileSync("tar", args, { encoding: "utf8" });
  const manifest = JSON.parse(tar("-xzOf", path, "package/package.json")) as Manifest;
  const files = tar("-tzf", path).trim().split(/\r?\n/);
  const integrity = `sha512-${createHash("sha512").update(readFileSync(path)).digest("base64")}`;
  return [manifest.name, { manifest, files, file, integrity }];
}

function packument({ manifest, file, integrity }: Tarball, url: string): object {
  const version = { ...manifest, dist: { tarball: `${url}-/own/${file}`, integrity } };
  return {
    name: manifest.name,
    "dist-tags": { latest: manifest.version },
    versions: { [manifest.version]: version },
  };
}

async function pass(
  upstream: string,
  path: string,
  headers: Readonly<Record<string, unknown>>,
  url: string,
  response: ServerResponse,
): Promise<void> {
  const accept = typeof headers["accept"] === "string" ? { accept: headers["accept"] } : {};
  const answer = await fetch(new URL(path.slice(1), upstream), { headers: accept });
  const type = answer.headers.get("content-type") ?? "application/octet-stream";
  const body = Buffer.from(await answer.arrayBuffer());
  response.writeHead(answer.status, { "content-type": type });
  if (!type.includes("json")) return void response.end(body);
  // Whatever host the tarballs are said to be on, they come through here.
  const own = body.toString().replaceAll(upstream, url);
  response.end(own.replaceAll(/"tarball":"https?:\/\/[^/"]+\//g, `"tarball":"${url}`));
}
