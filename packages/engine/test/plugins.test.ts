import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { installedPlugins, openEngine, pluginFolders } from "../src/index.ts";
import { findPlugin } from "../src/pjrt/find-plugin.ts";

// Folders as wheels lay them out, with empty files: finding a plugin opens nothing.
let root: string;
const site = (environment: string): string => join(root, environment, "lib", "python3.12", "site-packages");
const lay = (folder: string, ...files: string[]): void => {
  for (const file of files) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), "");
  }
};

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "vlmr1-plugins-"));
  lay(
    site("nvidia"),
    "jax_plugins/xla_cuda12/xla_cuda_plugin.so",
    "jax_plugins/xla_cuda13/xla_cuda_plugin.so",
    "nvidia/cu13/lib/libcublas.so.13",
    "nvidia/cu13/lib/libcudart.so.13",
    "nvidia/cu13/nvvm/libdevice.10.bc",
    "nvidia/cudnn/lib/libcudnn.so.9",
  );
  lay(site("amd"), "jax_plugins/xla_rocm7/xla_rocm_plugin.so");
  lay(
    site("others"),
    "libtpu/libtpu.so",
    "jax_plugins/xla_oneapi/xla_oneapi_plugin.so",
    "jax_mlx/libmlx_pjrt_plugin.dylib",
  );
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const find = (plugin: string | undefined, folders: readonly string[], options = {}) =>
  findPlugin({ plugin, options, folders });

test("environments that are active come before python3's own", () => {
  const env = { VIRTUAL_ENV: join(root, "nvidia"), CONDA_PREFIX: join(root, "amd") };
  expect(pluginFolders(env).slice(0, 2)).toEqual([site("nvidia"), site("amd")]);
  expect(pluginFolders({}).includes(site("nvidia"))).toBe(false);
});

test("every kind is found where its wheel puts it", () => {
  const folders = ["nvidia", "amd", "others"].map(site);
  expect(installedPlugins(folders).map(({ name, file }) => [name, file.slice(root.length + 1)])).toEqual([
    ["cuda", "nvidia/lib/python3.12/site-packages/jax_plugins/xla_cuda13/xla_cuda_plugin.so"],
    ["rocm", "amd/lib/python3.12/site-packages/jax_plugins/xla_rocm7/xla_rocm_plugin.so"],
    ["tpu", "others/lib/python3.12/site-packages/libtpu/libtpu.so"],
    ["metal", "others/lib/python3.12/site-packages/jax_mlx/libmlx_pjrt_plugin.dylib"],
    ["oneapi", "others/lib/python3.12/site-packages/jax_plugins/xla_oneapi/xla_oneapi_plugin.so"],
  ]);
});

describe("what is opened", () => {
  test("NVIDIA's libraries come first, in the order of JAX, and the compiler's folder is known", () => {
    for (const wanted of [
      undefined,
      "cuda",
      join(site("nvidia"), "jax_plugins/xla_cuda13/xla_cuda_plugin.so"),
    ]) {
      const { file, libraries, createOptions, flags } = find(wanted, [site("nvidia")]);
      expect(file).toContain("xla_cuda13");
      expect(libraries.map((path) => path.slice(site("nvidia").length + 1))).toEqual([
        "nvidia/cu13/lib/libcudart.so.13",
        "nvidia/cu13/lib/libcublas.so.13",
        "nvidia/cudnn/lib/libcudnn.so.9",
      ]);
      expect(createOptions).toEqual({ preallocate: false });
      expect(flags).toEqual({ xla_gpu_cuda_data_dir: join(site("nvidia"), "nvidia/cu13") });
    }
  });

  test("memory is taken as needed unless it is asked for; AMD's and Intel's platforms are named", () => {
    const options = { preallocate: true, memory_fraction: 0.5, visible_devices: [1] };
    expect(find("cuda", [site("nvidia")], options).createOptions).toEqual({
      preallocate: true,
      memory_fraction: { float: 0.5 },
      visible_devices: [1],
    });
    expect(find("rocm", [site("amd")]).createOptions).toEqual({ preallocate: false, platform_name: "ROCM" });
    expect(find("oneapi", [site("others")]).createOptions).toEqual({
      preallocate: false,
      platform_name: "SYCL",
    });
    expect(find("tpu", [site("others")]).createOptions).toEqual({});
  });

  test.each([
    [{ memory_fracton: 0.5 }, /no option "memory_fracton". It takes: .*memory_fraction/],
    [{ memory_fraction: 75 }, /"memory_fraction" must be a number above 0, at most 1; got 75/],
    [{ preallocate: "no" }, /"preallocate" must be true or false; got "no"/],
    [{ visible_devices: 0 }, /"visible_devices" must be a list of integers; got 0/],
  ])("wrong options are refused: %j", (options, message) => {
    expect(() => find("cuda", [site("nvidia")], options)).toThrow(message);
  });
});

describe("what is missing", () => {
  test("says what to install, and what there is instead", async () => {
    await expect(
      openEngine({ device: "pjrt", plugin: "cuda", pluginFolders: [site("amd")] }),
    ).rejects.toThrow(
      /plugin "cuda", which is not there: looked in .*amd.* Installed: rocm\. Install one \(NVIDIA GPUs on Linux: `pip install 'jax\[cuda13\]'`\)/,
    );
    await expect(openEngine({ device: "pjrt", pluginFolders: [] })).rejects.toThrow(
      /AMD GPUs.*Google TPUs.*Apple GPUs.*Intel GPUs/,
    );
  });

  test("a path that is no file, and a file that is no plugin", async () => {
    await expect(openEngine({ device: "pjrt", plugin: "/nowhere.so" })).rejects.toThrow(
      /no plugin "\/nowhere.so". Give one of cuda, /,
    );
    const text = join(site("amd"), "jax_plugins/xla_rocm7/xla_rocm_plugin.so");
    await expect(openEngine({ device: "pjrt", plugin: text })).rejects.toThrow(
      /cannot be loaded as a PJRT plugin/,
    );
  });

  test("an option of another device is refused", async () => {
    await expect(openEngine({ plugin: "cuda" })).rejects.toThrow(
      /option plugin is for the device pjrt; this engine is opened on cpu/,
    );
    await expect(openEngine({ bfloat16: true })).rejects.toThrow(
      /bfloat16 is for the device pjrt or tensorflow/,
    );
  });
});
