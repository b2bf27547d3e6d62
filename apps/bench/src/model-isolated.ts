import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Runs a script of this folder in a process of its own, with one JSON argument, and returns what it sends. */
export function runIsolated<Result>(script: string, argument: unknown): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL(script, import.meta.url)), [JSON.stringify(argument)]);
    let result: Result | undefined;
    child.on("message", (message) => (result = message as Result));
    child.on("error", reject);
    child.on("exit", (code) => {
      if (result !== undefined && code === 0) resolve(result);
      else reject(new Error(`${script} ended with ${code} and no result`));
    });
  });
}
