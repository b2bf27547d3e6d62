import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const peers = fileURLToPath(new URL("../peers/", import.meta.url));
const python = fileURLToPath(new URL("../../../.cache/peers/bin/python", import.meta.url));

/** Whether `npm run bench -- setup` has made the Python environment of the peers. */
export function pythonPeersInstalled(): boolean {
  return existsSync(python);
}

/**
 * Runs one peer script and returns the object of its last line that starts with `MEDIAN` (or its last line, when that is JSON).
 * Undefined when the peers are not installed: a benchmark then prints our figures alone.
 */
export async function runPythonPeer(
  script: string,
  args: readonly string[],
): Promise<Readonly<Record<string, number>> | undefined> {
  if (!pythonPeersInstalled()) return undefined;
  const text = await output(python, [script, ...args]);
  const line = text
    .trimEnd()
    .split("\n")
    .findLast((candidate) => /^(MEDIAN )?\{/.test(candidate));
  if (line === undefined) throw new Error(`${script} ended without a result:\n${text.slice(-2000)}`);
  return JSON.parse(line.replace(/^MEDIAN /, "")) as Record<string, number>;
}

/** Makes the Python environment of the peers: needs Python 3.11 and a few minutes. */
export async function setUpPythonPeers(say: (line: string) => void): Promise<void> {
  const environment = fileURLToPath(new URL("../../../.cache/peers/", import.meta.url));
  say("Creating a Python environment for the peers in .cache/peers (some minutes, 2 GB)");
  await output("python3", ["-m", "venv", environment]);
  await output(python, ["-m", "pip", "install", "--quiet", "-r", "requirements.txt"]);
  say("Done: npm run bench compares with the peers from now on");
}

function output(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    // Older OpenBLAS settings of a machine slow a current numpy down: a peer runs without them.
    const { OPENBLAS_CORETYPE: _core, OPENBLAS_L2_SIZE: _cache, ...environment } = process.env;
    const child = spawn(command, args, { cwd: peers, env: environment, stdio: ["ignore", "pipe", "pipe"] });
    let text = "";
    let errors = "";
    child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-4000)));
    child.on("error", reject);
    child.on("exit", (code) =>
      code === 0
        ? resolve(text)
        : reject(new Error(`${command} ${args.join(" ")} ended with ${code}:\n${errors}`)),
    );
  });
}
