import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

test("memory stays flat within 2 % over 10,000 runs and over 200 rounds of compiling and releasing", () => {
  const file = fileURLToPath(new URL("./memory-run.ts", import.meta.url));
  const flags = ["--expose-gc", "--conditions=@vlmr1/source", "--import", "tsx"];
  const text = execFileSync(process.execPath, [...flags, file, "10000", "200"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const growth = JSON.parse(text.trimEnd().split("\n").at(-1)!) as {
    runs: number;
    rounds: number;
    left: number;
  };
  expect(growth.runs).toBeLessThan(1.02);
  expect(growth.rounds).toBeLessThan(1.02);
  expect(growth.left).toBe(1); // the program of the first part
});
