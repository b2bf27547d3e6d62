import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { createRng } from "@vlmr1/core";
import { openCheckpointStore } from "../src/run/checkpoint.ts";

interface Line {
  readonly step?: number;
  readonly metrics?: unknown;
  readonly done?: string;
}

/** What {@link killAndResume} saw. */
export interface KillRecord {
  readonly lines: readonly Line[];
  /** Kills while a checkpoint was being written. */
  readonly duringWrites: number;
  /** What the store said about checkpoints that it could not read, after each kill. */
  readonly broken: readonly string[];
}

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Starts `killed-run.ts` again and again, kills it (SIGKILL) `kills` times at random instants, then lets it finish. */
export async function killAndResume(kills: number, steps: number, padding: number): Promise<KillRecord> {
  // In memory where the system offers it: what survives a killed process does not depend on the disk, and the test not on who uses it.
  const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "vlmr1-kill-"));
  const [checkpoints, log] = [join(folder, "checkpoints"), join(folder, "log")];
  const rng = createRng(11);
  const broken: string[] = [];
  let duringWrites = 0;
  try {
    for (let kill = 0; kill <= kills; kill++) {
      const child = start([checkpoints, log, String(steps), String(padding)]);
      if (kill < kills) {
        await growth(log, rng.integer(3), child);
        await sleep(rng.uniform() * 25);
        child.process.kill("SIGKILL");
      }
      const code = await child.ended;
      if (kill === kills && code !== 0) throw new Error(`The last run ended with ${code}: ${child.output()}`);
      if (existsSync(checkpoints) && readdirSync(checkpoints).some((name) => name.startsWith(".writing")))
        duringWrites++;
      broken.push(...(await openCheckpointStore(checkpoints, 2).latest()).notes);
    }
    const lines = readFileSync(log, "utf8").trim().split("\n");
    return { lines: lines.map((line) => JSON.parse(line) as Line), duringWrites, broken };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function start(parameters: string[]) {
  const flags = ["--conditions=@vlmr1/source", "--import", "tsx", "--import", here("soak/without-tfjs.ts")];
  const child = spawn(process.execPath, [...flags, here("soak/killed-run.ts"), ...parameters], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let errors = "";
  child.stderr.on("data", (part: Buffer) => (errors += part.toString()));
  const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
  return { process: child, ended, output: () => errors };
}

/** Waits until the log has grown by `lines` lines at least (one write may bring none), or the child is gone. */
async function growth(log: string, lines: number, child: ReturnType<typeof start>): Promise<void> {
  const size = () => (existsSync(log) ? statSync(log).size : 0);
  let seen = size();
  for (let grown = 0; grown <= lines && child.process.exitCode === null;) {
    await sleep(1);
    if (size() > seen) grown++;
    seen = size();
  }
}
