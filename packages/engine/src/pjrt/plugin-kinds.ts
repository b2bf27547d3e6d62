import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { VlmR1Error } from "@vlmr1/core";
import type { NamedValue } from "./c-api.ts";
import type { XlaFlags } from "./compile-options.ts";

/** A kind of accelerator that has a plugin. */
export type PluginName = "cuda" | "rocm" | "tpu" | "metal" | "oneapi";

/** A value of an option of a plugin. */
export type PluginOption = string | number | boolean | readonly number[];

/** How a plugin wants the value of an option. */
type OptionType = "text" | "integer" | "fraction" | "boolean" | "integers";

/** What is known of a kind of plugin. */
export interface PluginKind {
  /** For whom it is, and what brings it. */
  readonly processors: string;
  readonly install: string;
  /** Where wheels put it in `site-packages`; `*` stands for digits. The first found is taken, the highest number first. */
  readonly files: readonly string[];
  /** Libraries that are loaded before it, by folder of `site-packages`; those that are not there may be elsewhere. */
  readonly preload: readonly (readonly [folder: string, ...files: string[]])[];
  /** Options of its client. XLA ends the process for an unknown name or a wrong type, so nothing else is passed on. */
  readonly options: Readonly<Record<string, OptionType>>;
  readonly defaults: Readonly<Record<string, PluginOption>>;
}

/** Options of XLA's plugins for GPUs, https://github.com/openxla/xla/blob/main/xla/pjrt/c/pjrt_c_api_gpu_internal.cc */
const gpuOptions: PluginKind["options"] = {
  platform_name: "text",
  allocator: "text",
  memory_fraction: "fraction",
  preallocate: "boolean",
  collective_memory_size: "integer",
  visible_devices: "integers",
  should_stage_host_to_device_transfers: "boolean",
  abort_collectives_on_failure: "boolean",
  use_tfrt_gpu_client: "boolean",
};

/** XLA takes 75 % of a GPU's memory at the start unless it is told not to, and nobody else gets any. */
const gpuDefaults = { preallocate: false };

/** What JAX loads before its CUDA plugin, for CUDA 13 and 12. */
const nvidiaLibraries: PluginKind["preload"] = [
  ["nvidia/cu13/lib", "libcudart.so.13", "libnvrtc.so.13", "libcublas.so.13", "libcublasLt.so.13"],
  ["nvidia/cuda_runtime/lib", "libcudart.so.12"],
  ["nvidia/cuda_nvrtc/lib", "libnvrtc.so.12"],
  ["nvidia/cublas/lib", "libcublas.so.12", "libcublasLt.so.12"],
  ["nvidia/nccl/lib", "libnccl.so.2"],
  ["nvidia/cu13/lib", "libcupti.so.13", "libcusparse.so.12", "libcusolver.so.12", "libcufft.so.12"],
  ["nvidia/cuda_cupti/lib", "libcupti.so.12"],
  ["nvidia/cusparse/lib", "libcusparse.so.12"],
  ["nvidia/cusolver/lib", "libcusolver.so.11"],
  ["nvidia/cufft/lib", "libcufft.so.11"],
  ["nvidia/nvshmem/lib", "libnvshmem_host.so.3"],
  ["nvidia/cudnn/lib", "libcudnn.so.9"],
];

/** Every kind, in the order in which they are looked for. */
export const pluginKinds: Readonly<Record<PluginName, PluginKind>> = {
  cuda: {
    processors: "NVIDIA GPUs on Linux",
    install: "pip install 'jax[cuda13]'",
    files: ["jax_plugins/xla_cuda*/xla_cuda_plugin.so"],
    preload: nvidiaLibraries,
    options: gpuOptions,
    defaults: gpuDefaults,
  },
  rocm: {
    processors: "AMD GPUs on Linux with ROCm 7",
    install: "pip install jax-rocm7-pjrt",
    files: ["jax_plugins/xla_rocm*/xla_rocm_plugin.so"],
    preload: [],
    options: gpuOptions,
    defaults: { ...gpuDefaults, platform_name: "ROCM" },
  },
  tpu: {
    processors: "Google TPUs",
    install: "pip install libtpu",
    files: ["libtpu/libtpu.so"],
    preload: [],
    options: {},
    defaults: {},
  },
  metal: {
    processors: "Apple GPUs",
    install: "pip install jax-mps",
    files: ["jax_plugins/mps/lib/libpjrt_plugin_mps.dylib", "jax_mlx/libmlx_pjrt_plugin.dylib"],
    preload: [],
    options: {},
    defaults: {},
  },
  oneapi: {
    processors: "Intel GPUs on Linux with oneAPI",
    install: "pip install jax-oneapi-pjrt",
    files: ["jax_plugins/xla_oneapi/xla_oneapi_plugin.so"],
    preload: [],
    options: gpuOptions,
    defaults: { ...gpuDefaults, platform_name: "SYCL" },
  },
};

/** A plugin given by its path, such as one for CPUs. */
export const givenKind: PluginKind = {
  processors: "the plugin of the given path",
  install: "",
  files: [],
  preload: [],
  options: { cpu_device_count: "integer" },
  defaults: {},
};

/** The kind whose wheels have a file of this name. */
export function kindOfFile(file: string): PluginKind {
  const name = file.replace(/^.*[\\/]/, "");
  const known = Object.values(pluginKinds).find(({ files }) =>
    files.some((path) => path.endsWith(`/${name}`)),
  );
  return known ?? givenKind;
}

/** The files that a pattern stands for in a folder, the highest number first. */
export function matchFiles(folder: string, pattern: string): string[] {
  const [before, after] = pattern.split("*") as [string, string | undefined];
  if (after === undefined) return existsSync(join(folder, pattern)) ? [join(folder, pattern)] : [];
  const parent = join(folder, before.replace(/[^/]*$/, ""));
  const prefix = before.replace(/^.*\//, "");
  if (!existsSync(parent)) return [];
  return readdirSync(parent)
    .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
    .sort((a, b) => Number(b.slice(prefix.length)) - Number(a.slice(prefix.length)))
    .map((name) => join(parent, name + after))
    .filter((file) => existsSync(file));
}

/** XLA's own flags for programs of a plugin: where NVIDIA's compiler and device library lie, if Python brought them. */
export function xlaFlags(sitePackages: string | undefined): XlaFlags {
  if (sitePackages === undefined) return {};
  const folders = ["nvidia/cu13", "nvidia/cuda_nvcc"].map((name) => join(sitePackages, name));
  const found = folders.find((folder) => existsSync(join(folder, "bin")) || existsSync(join(folder, "nvvm")));
  return found === undefined ? {} : { xla_gpu_cuda_data_dir: found };
}

/**
 * Options as the plugin's client takes them.
 *
 * @throws VlmR1Error `invalid-argument` for an unknown name or a value of the wrong type: XLA would end the process.
 */
export function clientOptions(
  { options, defaults }: PluginKind,
  given: Readonly<Record<string, PluginOption>>,
): Record<string, NamedValue> {
  return Object.fromEntries(
    Object.entries({ ...defaults, ...given }).map(([name, value]) => {
      const type = options[name];
      if (type === undefined) {
        const names = Object.keys(options);
        const known = names.length === 0 ? "It takes none." : `It takes: ${names.join(", ")}.`;
        throw new VlmR1Error("invalid-argument", `The plugin has no option "${name}". ${known}`);
      }
      return [name, typedOption(name, value, type)];
    }),
  );
}

const typeChecks: Readonly<Record<OptionType, (value: PluginOption) => boolean>> = {
  text: (value) => typeof value === "string",
  boolean: (value) => typeof value === "boolean",
  integer: (value) => Number.isSafeInteger(value),
  fraction: (value) => typeof value === "number" && value > 0 && value <= 1,
  integers: (value) => Array.isArray(value) && value.every((x) => Number.isSafeInteger(x)),
};

const typeNames: Readonly<Record<OptionType, string>> = {
  text: "text",
  boolean: "true or false",
  integer: "an integer",
  fraction: "a number above 0, at most 1",
  integers: "a list of integers",
};

function typedOption(name: string, value: PluginOption, type: OptionType): NamedValue {
  if (typeChecks[type](value)) return type === "fraction" ? { float: value as number } : value;
  throw new VlmR1Error(
    "invalid-argument",
    `The plugin's option "${name}" must be ${typeNames[type]}; got ${JSON.stringify(value)}.`,
  );
}
