import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { shippedNano } from "../../src/program.ts";
import { run } from "../commands/run.ts";
import { serveHub, token, type StandInHub } from "./stand-in.ts";

const commit = "0123456789abcdef0123456789abcdef01234567";
const table = new URL("../../../../packages/data/test/fixtures/published/hf/named.parquet", import.meta.url);

let hub: StandInHub;
let folder: string;
beforeEach(async () => {
  hub = await serveHub();
  folder = await mkdtemp(join(tmpdir(), "vlmr1-named-"));
  vi.stubEnv("HF_ENDPOINT", hub.url);
  vi.stubEnv("HF_HUB_CACHE", join(folder, "cache"));
  vi.stubEnv("HF_HUB_OFFLINE", "");
  vi.stubEnv("HF_TOKEN", token);
  const nano = readdirSync(shippedNano).map((name) => [name, readFileSync(join(shippedNano, name))] as const);
  hub.repositories.set("models/own/nano", { commit, files: new Map(nano) });
  hub.repositories.set("datasets/own/boxes", {
    commit,
    files: new Map([["data/train-00000-of-00001.parquet", readFileSync(table)]]),
  });
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await hub.close();
  await rm(folder, { recursive: true, force: true });
});

test("a model by name is fetched, trained, pinned in the run's configuration, found offline, and pushed", async () => {
  const out = join(folder, "run");
  const scenes = ["--scenes-length", "4", "--scenes-side", "32", "--held-out-limit", "2"];
  const small = [
    "--train",
    "language",
    "--prompts-per-step",
    "1",
    "--group-size",
    "2",
    "--max-new-tokens",
    "4",
  ];
  const trained = await run(
    "grpo",
    "--model",
    "own/nano",
    ...scenes,
    ...small,
    "--steps",
    "1",
    "--out",
    out,
    "--json",
  );
  expect(trained.errors).toContain("Fetching own/nano");
  expect(trained.code).toBe(0);
  const config = JSON.parse(await readFile(join(out, "config.json"), "utf8")) as { model: string };
  expect(config.model).toBe(`own/nano@${commit}`);

  hub.requests.length = 0;
  vi.stubEnv("HF_HUB_OFFLINE", "1");
  const again = await run("grpo", "--config", join(out, "config.json"), "--dry-run", "--json");
  expect({ code: again.code, asked: hub.requests }).toEqual({ code: 0, asked: [] });

  vi.stubEnv("HF_HUB_OFFLINE", "");
  const pushed = await run("push", out, "me/mine", "--json");
  expect(pushed.json).toEqual({ url: `${hub.url}/me/mine` });
  expect(hub.commits).toHaveLength(1);
}, 120_000);

test("a dataset by name is its tables, at the commit that was fetched", async () => {
  const checked = await run("data", "check", "--dataset", "hub:own/boxes", "--json");
  expect(checked.errors).toContain("Fetching own/boxes");
  expect(checked.json).toMatchObject({ samples: 1 });
});

test("nothing is asked of the Hub for what lies here or is no name of a repository", async () => {
  await run("eval", "model", "--model", "./own/none", "--limit", "1", "--out", join(folder, "eval"));
  await run("eval", "model", "--model", "nano", "--limit", "1", "--out", join(folder, "eval"));
  expect(hub.requests).toEqual([]);
});
