import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

test("everything is freed: 5,000 runs and 60 rounds of compiling and releasing leave the buffers that are in use", () => {
  const file = fileURLToPath(new URL("../soak/memory-run.ts", import.meta.url));
  const flags = ["--expose-gc", "--conditions=@vlmr1/source", "--import", "tsx"];
  const text = execFileSync(process.execPath, [...flags, file, "5000", "60"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const { buffers, ...growth } = JSON.parse(text.trimEnd().split("\n").at(-1)!) as Record<string, number>;
  expect(buffers).toBe(4); // parameters and their two views, and x
  expect(growth["left"]).toBe(1);
  expect(growth["runs"]).toBeLessThan(1.05); // XLA's compiler itself keeps a few megabytes
  expect(growth["rounds"]).toBeLessThan(1.05);
});
