import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fetchSnapshot, hubSettings, parseHubName, type HubSettings } from "../../src/hub/snapshot.ts";
import { serveHub, token, type StandInHub } from "./stand-in.ts";

const commit = "0123456789abcdef0123456789abcdef01234567";
const weights = Buffer.from(Uint8Array.from({ length: 100_000 }, (_, index) => (index * 7) % 251));
const sha256 = (data: Buffer): string => createHash("sha256").update(data).digest("hex");
const model = { kind: "model", name: "own/tiny", revision: "main" } as const;

let hub: StandInHub;
let cache: string;
let settings: HubSettings;
beforeEach(async () => {
  hub = await serveHub();
  cache = await mkdtemp(join(tmpdir(), "vlmr1-hub-"));
  settings = hubSettings({ HF_ENDPOINT: `${hub.url}/`, HF_HUB_CACHE: cache });
  const files = new Map([
    ["config.json", Buffer.from('{ "model_type": "qwen2_vl" }')],
    ["model.safetensors", weights],
    ["pytorch_model.bin", Buffer.from("a pickle")],
    ["sub/tokenizer.json", Buffer.from("{}")],
  ]);
  hub.repositories.set("models/own/tiny", { commit, files });
});
afterEach(async () => {
  await hub.close();
  await rm(cache, { recursive: true, force: true });
});

test("a model arrives in the layout of Python's cache, without pickles, and is not fetched again", async () => {
  const { folder, commit: resolved } = await fetchSnapshot(model, settings);
  const storage = join(cache, "models--own--tiny");
  expect({ folder, resolved }).toEqual({ folder: join(storage, "snapshots", commit), resolved: commit });
  expect(await readFile(join(storage, "refs/main"), "utf8")).toBe(commit);
  expect(await readFile(join(folder, "model.safetensors"))).toEqual(weights);
  expect(await readlink(join(folder, "model.safetensors"))).toBe(`../../blobs/${sha256(weights)}`);
  expect(await readlink(join(folder, "sub/tokenizer.json"))).toMatch(
    /^\.\.\/\.\.\/\.\.\/blobs\/[0-9a-f]{40}$/,
  );
  expect(existsSync(join(folder, "pytorch_model.bin"))).toBe(false);
  hub.requests.length = 0;
  await fetchSnapshot(model, settings);
  expect(hub.requests.filter(({ line }) => line.includes("/resolve/"))).toEqual([]);
});

test("a download that was cut off goes on where it stopped, within a call and from one call to the next", async () => {
  hub.cuts.push(30_000, 20_000);
  const received: number[] = [];
  const { folder } = await fetchSnapshot(model, settings, (state) => void received.push(state.received));
  expect(await readFile(join(folder, "model.safetensors"))).toEqual(weights);
  const ranges = hub.requests.filter(({ line }) => line.endsWith(".safetensors")).map(({ range }) => range);
  expect(ranges).toEqual([undefined, "bytes=30000-", "bytes=50000-"]);
  expect(received).toEqual(received.toSorted((a, b) => a - b));
  expect(received.at(-1)).toBe(weights.length + 30);

  await rm(cache, { recursive: true });
  hub.cuts.push(40_000, 0, 0, 0, 0);
  await expect(fetchSnapshot(model, settings)).rejects.toThrow(/40000 of 100000 bytes are kept/);
  await fetchSnapshot(model, settings);
  expect(hub.requests.at(-2)?.range ?? hub.requests.at(-1)?.range).toBe("bytes=40000-");
}, 30_000);

test("what does not have the announced hash is deleted and refused", async () => {
  const storage = join(cache, "models--own--tiny");
  await fetchSnapshot(model, settings);
  await rm(join(storage, "blobs", sha256(weights)));
  await writeFile(join(storage, "blobs", `${sha256(weights)}.incomplete`), Buffer.alloc(50_000));
  await expect(fetchSnapshot(model, settings)).rejects.toThrow(/SHA-256/);
  await fetchSnapshot(model, settings); // the bad half is gone
});

test("offline, the cache answers, and nothing is asked of the network", async () => {
  const offline = { ...settings, offline: hubSettings({ HF_HUB_OFFLINE: "1" }).offline };
  await expect(fetchSnapshot(model, offline)).rejects.toThrow(/HF_HUB_OFFLINE is set/);
  expect(hub.requests).toEqual([]);
  const { folder } = await fetchSnapshot(model, settings);
  hub.requests.length = 0;
  expect(await fetchSnapshot(model, offline)).toEqual({ folder, commit });
  expect(hub.requests).toEqual([]);
});

test("refusals say what to do, and never show the token", async () => {
  hub.repositories.set("models/own/gated", {
    commit,
    files: new Map([["config.json", weights]]),
    gated: true,
  });
  const gated = { ...model, name: "own/gated" };
  await expect(fetchSnapshot(gated, settings)).rejects.toThrow(/set HF_TOKEN/);
  const wrong = hubSettings({ HF_ENDPOINT: hub.url, HF_HUB_CACHE: cache, HF_TOKEN: "hf_secret" });
  await expect(fetchSnapshot(gated, wrong)).rejects.toThrow(
    /^(?!.*hf_secret).*token of HF_TOKEN was refused/,
  );
  await fetchSnapshot(gated, { ...settings, token });
  await expect(fetchSnapshot({ ...model, name: "own/none" }, settings)).rejects.toThrow(
    /has no model own\/none/,
  );
  await expect(fetchSnapshot(model, { ...settings, endpoint: "http://127.0.0.1:9" })).rejects.toThrow(
    /cannot be asked/,
  );
});

test("a path that would leave the folder is refused", async () => {
  hub.repositories.set("models/own/evil", { commit, files: new Map([["../../evil.json", weights]]) });
  await expect(fetchSnapshot({ ...model, name: "own/evil" }, settings)).rejects.toThrow(/refused/);
});

test("a dataset brings its tables and pictures", async () => {
  const files = new Map([
    ["data/train-00000-of-00001.parquet", weights],
    ["README.md", Buffer.from("card")],
  ]);
  hub.repositories.set("datasets/own/boxes", { commit, files });
  const { folder } = await fetchSnapshot({ kind: "dataset", name: "own/boxes", revision: commit }, settings);
  expect(folder).toBe(join(cache, "datasets--own--boxes/snapshots", commit));
  expect(await readFile(join(folder, "data/train-00000-of-00001.parquet"))).toEqual(weights);
});

test.each([
  ["Qwen/Qwen2.5-VL-3B-Instruct", { name: "Qwen/Qwen2.5-VL-3B-Instruct", revision: "main" }],
  ["own/tiny@refs/pr/3", { name: "own/tiny", revision: "refs/pr/3" }],
  ["./own/tiny", undefined],
  ["/own/tiny", undefined],
  ["../tiny", undefined],
  ["own/tiny/deep", undefined],
  ["nano", undefined],
  ["own/tiny@../../x", undefined],
])("%s names %o", (text, expected) => {
  expect(parseHubName(text, "model")).toEqual(expected && { kind: "model", ...expected });
});

test("settings are read as Python reads them", () => {
  expect(hubSettings({ HF_HOME: "/a" }).cache).toBe(join("/a", "hub"));
  expect(hubSettings({ HF_HOME: "/a", HF_HUB_CACHE: "/b" }).cache).toBe("/b");
  expect(hubSettings({ XDG_CACHE_HOME: "/c" }).cache).toBe(join("/c", "huggingface", "hub"));
  expect(hubSettings({})).toMatchObject({
    endpoint: "https://huggingface.co",
    offline: false,
    token: undefined,
  });
});
