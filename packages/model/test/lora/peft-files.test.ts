import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRng, VlmR1Error } from "@vlmr1/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { familyOf, knownFamilies } from "../../src/families/known-families.ts";
import { adaptedModules, adapterTensors, DEFAULT_LORA, type LoraConfig } from "../../src/lora/adapter.ts";
import { openAdapter, saveAdapter } from "../../src/lora/peft.ts";
import { writeSafetensors } from "../../src/weights/safetensors.ts";
import { readFixture } from "../fixtures/read-fixture.ts";

const config = readFixture<object>("models/qwen2-5-vl-flat/config.json");
const family = familyOf(config, knownFamilies);
const { tensors: specs } = family.architecture(config);
const lora: LoraConfig = { ...DEFAULT_LORA, rank: 4, alpha: 8, targets: ["q_proj", "v_proj"] };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vlmr1-adapter-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function weights(settings: LoraConfig) {
  const rng = createRng(3);
  return adapterTensors(adaptedModules(specs, settings)).map((spec) => ({
    ...spec,
    data: Float32Array.from({ length: spec.shape[0]! * spec.shape[1]! }, () => rng.normal()),
  }));
}

const editConfig = (change: object): void => {
  const path = join(folder, "adapter_config.json");
  writeFileSync(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, "utf8")) as object), ...change }));
};

async function readAll(): Promise<{ config: LoraConfig; data: Map<string, Float32Array> }> {
  const reader = await openAdapter(folder, specs, family.renames);
  const data = new Map<string, Float32Array>();
  for (const spec of adapterTensors(adaptedModules(specs, reader.config))) {
    const target = new Float32Array(spec.shape[0]! * spec.shape[1]!);
    await reader.read(spec, target);
    data.set(spec.name, target);
  }
  await reader.close();
  return { config: reader.config, data };
}

describe("saveAdapter and openAdapter", () => {
  it.each([
    ["a list of names", lora],
    ["a regular expression", { ...lora, targets: String.raw`^(?!.*visual).*\.(q_proj|down_proj)$` }],
    [
      "all linear layers, rank-stabilized, with other ranks for some",
      {
        ...lora,
        targets: "all-linear",
        rankStabilized: true,
        rankPattern: { q_proj: 2 },
        alphaPattern: { "layers.0.self_attn.q_proj": 32 },
      },
    ],
  ])("give back settings and weights: %s", async (_, settings) => {
    const tensors = weights(settings);
    await saveAdapter(folder, settings, tensors);
    const { config: read, data } = await readAll();
    expect(read).toEqual(settings);
    expect(data).toEqual(new Map(tensors.map((tensor) => [tensor.name, tensor.data])));
  });

  it("use the names and settings of PEFT", async () => {
    await saveAdapter(folder, lora, weights(lora), { baseModel: "base" });
    const document = JSON.parse(readFileSync(join(folder, "adapter_config.json"), "utf8")) as Record<
      string,
      unknown
    >;
    expect(document).toMatchObject({
      peft_type: "LORA",
      r: 4,
      lora_alpha: 8,
      target_modules: ["q_proj", "v_proj"],
      base_model_name_or_path: "base",
    });
    const bytes = readFileSync(join(folder, "adapter_model.safetensors"));
    expect(bytes.toString("latin1")).toContain(
      '"base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_A.weight"',
    );
  });

  it("read an adapter that was trained under the names of an older release", async () => {
    const tensors = weights(lora);
    await saveAdapter(
      folder,
      { ...lora, targets: String.raw`model\.layers\.\d+\.self_attn\.(q|v)_proj` },
      [],
    );
    const old = tensors.map((tensor) => ({
      ...tensor,
      name: `base_model.model.${tensor.name.replace("model.language_model.", "model.")}`,
    }));
    await writeSafetensors(join(folder, "adapter_model.safetensors"), old, "F32");
    const { config: read, data } = await readAll();
    expect(data.size).toBe(tensors.length);
    expect(read.targets).toContain("model.language_model.layers.1.self_attn.v_proj");
  });
});

describe("modules that PEFT leaves out", () => {
  const all = { ...lora, targets: ["q_proj", "v_proj"] };
  const old = (name: string) => `base_model.model.${name.replace("model.language_model.", "model.")}`;

  // Which modules remain is what peft 0.21 chooses for the same settings.
  it.each([
    [{ exclude_modules: ["v_proj"] }, /q_proj/],
    [{ exclude_modules: ["layers.0.self_attn.q_proj"] }, /^(?!.*layers\.0\.self_attn\.q_proj)/],
    [{ exclude_modules: String.raw`.*layers\.1\..*` }, /layers\.0\./],
    [{ exclude_modules: String.raw`model\.layers\.1\..*` }, /layers\.0\./],
    [{ layers_to_transform: [1] }, /layers\.1\./],
    [{ layers_to_transform: 0, layers_pattern: "layers" }, /layers\.0\./],
    [{ layers_to_transform: [0], layers_pattern: ["h", "layers"] }, /layers\.0\./],
  ] as const)("%j", async (change, kept) => {
    const tensors = weights(all).filter(({ name }) => kept.test(name));
    for (const rename of [(name: string) => `base_model.model.${name}`, old]) {
      const isOwn = rename !== old;
      if (isOwn && String(Object.values(change)[0]).startsWith("model")) continue; // written for the old names
      await saveAdapter(folder, all, []);
      editConfig(change);
      const named = tensors.map((tensor) => ({ ...tensor, name: rename(tensor.name) }));
      await writeSafetensors(join(folder, "adapter_model.safetensors"), named, "F32");
      expect((await readAll()).data).toEqual(new Map(tensors.map(({ name, data }) => [name, data])));
    }
  });

  it("ranks and alphas are found under the names of the older release", async () => {
    const patterned = {
      ...all,
      rankPattern: { [String.raw`model\.language_model\.layers\.0\.self_attn\.q_proj`]: 2 },
      alphaPattern: { v_proj: 16 },
    };
    const tensors = weights(patterned);
    await saveAdapter(folder, all, []);
    editConfig({ rank_pattern: { "^model.layers.0.self_attn.q_proj": 2 }, alpha_pattern: { v_proj: 16 } });
    const named = tensors.map((tensor) => ({ ...tensor, name: old(tensor.name) }));
    await writeSafetensors(join(folder, "adapter_model.safetensors"), named, "F32");
    const { config: read, data } = await readAll();
    expect(data).toEqual(new Map(tensors.map((tensor) => [tensor.name, tensor.data])));
    expect(adaptedModules(specs, read)).toEqual(adaptedModules(specs, patterned));
  });
});

describe("openAdapter", () => {
  const failure = async (): Promise<VlmR1Error> => {
    const error: unknown = await readAll().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (VlmR1Error.is(error)) return error;
    throw new Error(`Expected a VlmR1Error, got ${String(error)}`);
  };

  it("names the module whose tensors are missing", async () => {
    const tensors = weights(lora);
    await saveAdapter(
      folder,
      lora,
      tensors.filter(({ name }) => !name.includes("layers.1.self_attn.v_proj")),
    );
    expect((await failure()).message).toContain("model.language_model.layers.1.self_attn.v_proj");
    await saveAdapter(folder, lora, tensors.slice(1));
    expect((await failure()).message).toMatch(/no tensor "base_model\.model\..*lora_A\.weight"/);
  });

  it("names the module that the base model does not have, and tensors of another rank", async () => {
    await saveAdapter(folder, lora, [
      ...weights(lora),
      { name: "model.other.q_proj.lora_A.weight", shape: [4, 2], data: new Float32Array(8) },
    ]);
    expect((await failure()).message).toMatch(
      /"model\.language_model\.other\.q_proj", which is not a linear layer/,
    );
    await saveAdapter(folder, lora, weights(lora));
    editConfig({ r: 8 });
    expect((await failure()).message).toMatch(/has the shape \[4, 32\].*ask for \[8, 32\]/);
  });

  it.each([
    [{ use_dora: true }, "learned magnitude"],
    [{ bias: "all" }, "biases were trained"],
    [{ bias: "lora_only" }, "biases were trained"],
    [{ lora_bias: true }, "a bias of its own"],
    [{ modules_to_save: ["lm_head"] }, "whole layers were trained"],
    [{ fan_in_fan_out: true }, "only plain LoRA"],
  ] as const)("does not pretend to know %j, and says why", async (change, reason) => {
    await saveAdapter(folder, lora, weights(lora));
    editConfig(change);
    const { code, message } = await failure();
    expect(code).toBe("unsupported");
    expect(message).toContain(Object.keys(change)[0]);
    expect(message).toContain(reason);
  });

  it.each([{ exclude_modules: ["v_proj"] }, { layers_to_transform: [0] }])(
    "refuses tensors that %j leaves out",
    async (change) => {
      await saveAdapter(folder, lora, weights(lora));
      editConfig(change);
      expect((await failure()).message).toMatch(/has tensors for ".*", which exclude_modules or layers_to/);
    },
  );

  it("still names a missing module where others are left out", async () => {
    const tensors = weights(lora).filter(({ name }) => name.includes("layers.0.self_attn.q_proj"));
    await saveAdapter(folder, lora, tensors);
    editConfig({ layers_to_transform: 0 });
    expect((await failure()).message).toMatch(/no tensors for ".*layers\.0\.self_attn\.v_proj"/);
  });

  it.each([{ peft_type: "IA3" }, { r: 0 }, { lora_dropout: 1 }, { target_modules: 7 }])(
    "refuses %j",
    async (change) => {
      await saveAdapter(folder, lora, weights(lora));
      editConfig(change);
      expect((await failure()).code).toBe("invalid-data");
    },
  );

  it("says which file is missing", async () => {
    expect((await failure()).message).toContain("adapter_config.json");
    await saveAdapter(folder, lora, weights(lora));
    rmSync(join(folder, "adapter_model.safetensors"));
    expect((await failure()).message).toContain("adapter_model.safetensors");
  });
});
