import { expect, test } from "vitest";
import { programFolder, weightPrecision } from "../../src/model/device.ts";
import { run } from "./run.ts";

test("devices lists what computes here, with a timed product, and what to install for more", async () => {
  const { code, json } = await run("devices", "--size", "64", "--json");
  expect(code).toBe(0);
  const { devices, missing } = json as {
    devices: { description: { runtime: string }; gigaflops: number }[];
    missing: { install: string }[];
  };
  const [cpu] = devices;
  expect(cpu?.description.runtime).toMatch(/^ONNX Runtime/);
  expect(cpu?.gigaflops).toBeGreaterThan(0);
  missing.forEach(({ install }) => expect(install).toMatch(/^pip install /));
});

test("compiled programs are kept where the system keeps caches", () => {
  expect(programFolder({ XDG_CACHE_HOME: "/cache" })).toBe("/cache/vlmr1/programs");
  expect(programFolder({})).toMatch(/\.cache\/vlmr1\/programs$/);
});

test("a device that cannot store weights as asked says which can", () => {
  expect(weightPrecision({ device: "pjrt", dtype: "bfloat16" })).toBe("bfloat16");
  expect(() => weightPrecision({ device: "pjrt", dtype: "int4" })).toThrow(
    /pjrt stores weights in float32 or bfloat16.*--device cpu/,
  );
  expect(() => weightPrecision({ device: "tensorflow", dtype: "bfloat16" })).toThrow(/--device cpu or pjrt/);
});
