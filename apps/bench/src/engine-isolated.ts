import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Runs a program of this folder (or of `peers`, for .mjs) in a process of its own and returns the object of its last line. */
export function runIsolated(
  program: string,
  args: readonly string[],
): Promise<Readonly<Record<string, number>>> {
  const folder = program.endsWith(".mjs") ? "../peers/" : "./";
  const file = fileURLToPath(new URL(`${folder}${program}`, import.meta.url));
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--conditions=@vlmr1/source", "--import", "tsx", file, ...args], {
      cwd: fileURLToPath(new URL("../", import.meta.url)),
      stdio: ["ignore", "pipe", "inherit"],
    });
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
    child.on("error", reject);
    child.on("exit", (code) => {
      const line = text.trimEnd().split("\n").at(-1) ?? "";
      if (code === 0 && line.startsWith("{")) resolve(JSON.parse(line) as Record<string, number>);
      else reject(new Error(`${program} ended with ${code}: ${text.slice(-500)}`));
    });
  });
}
