import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parse } from "yaml";
import { pushModel } from "../../src/hub/push.ts";
import { hubSettings, parseHubName } from "../../src/hub/snapshot.ts";
import { serveHub, token, type StandInHub } from "./stand-in.ts";

let hub: StandInHub;
let run: string;
beforeEach(async () => {
  hub = await serveHub();
  run = await mkdtemp(join(tmpdir(), "vlmr1-push-"));
  await mkdir(join(run, "model"));
  await writeFile(join(run, "model/adapter_model.safetensors"), Buffer.alloc(3000, 7));
  await writeFile(join(run, "model/adapter_config.json"), '{ "base_model_name_or_path": "/somewhere" }');
  await writeFile(join(run, "report.html"), "<title>report</title>");
  await writeFile(join(run, "config.json"), "{}");
  const estimate = { value: 0.5, low: 0.4, high: 0.6, count: 100 };
  const events = [
    {
      kind: "start",
      title: "It learns",
      command: "vlmr1 grpo --config config.json",
      steps: 1,
      config: { model: `own/base@${"a".repeat(40)}`, dataset: "hub:own/boxes" },
      facts: {},
    },
    { kind: "evaluation", step: 0, name: "before", metrics: { iou: estimate }, groups: {}, examples: [] },
  ];
  await writeFile(join(run, "events.jsonl"), events.map((event) => `${JSON.stringify(event)}\n`).join(""));
});
afterEach(async () => {
  await hub.close();
  await rm(run, { recursive: true, force: true });
});

const push = (environment: NodeJS.ProcessEnv = { HF_TOKEN: token }) =>
  pushModel({
    folder: run,
    name: parseHubName("me/mine", "model")!,
    settings: hubSettings({ HF_ENDPOINT: hub.url, ...environment }),
    isPrivate: true,
    say: () => undefined,
  });

test("adapter, report, configuration and a card arrive in one commit, twice if need be", async () => {
  expect(await push()).toEqual({ url: `${hub.url}/me/mine` });
  const { lines } = hub.commits[0]!;
  const values = lines.map(({ value }) => value as { path?: string; content?: string; oid?: string });
  const paths = values.flatMap(({ path }) => path ?? []).toSorted();
  expect(paths).toEqual([
    "README.md",
    "adapter_config.json",
    "adapter_model.safetensors",
    "report.html",
    "vlmr1-config.json",
  ]);
  const weights = values.find(({ path }) => path === "adapter_model.safetensors")!;
  expect(hub.uploads.get(weights.oid!)).toEqual(Buffer.alloc(3000, 7));
  const card = Buffer.from(values.find(({ path }) => path === "README.md")!.content!, "base64").toString();
  const [, header = "", body = ""] = card.split("---\n");
  expect(parse(header)).toMatchObject({
    base_model: "own/base",
    library_name: "peft",
    datasets: ["own/boxes"],
  });
  expect(body).toContain("| before (step 0) | 50.0 % ± 10.0 |");
  expect(body).toContain("vlmr1 grpo --config config.json");
  await push(); // the repository exists now
  expect(hub.commits).toHaveLength(2);
});

test("without a token, with a wrong one, offline, or without a model, nothing is sent", async () => {
  await expect(push({})).rejects.toThrow(/HF_TOKEN/);
  await expect(push({ HF_TOKEN: token, HF_HUB_OFFLINE: "1" })).rejects.toThrow(/OFFLINE/);
  expect(hub.requests).toEqual([]);
  await expect(push({ HF_TOKEN: "hf_wrong" })).rejects.toThrow(/refused/);
  await rm(join(run, "model/adapter_model.safetensors"));
  await expect(push()).rejects.toThrow(/holds no model/);
  expect(hub.commits).toEqual([]);
});
