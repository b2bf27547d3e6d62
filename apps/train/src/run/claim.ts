import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { VlmR1Error } from "@vlmr1/core";
import { z } from "zod";
import { commandLine } from "../program.ts";

/** Who writes into a run folder at the moment. */
const lockFile = "run.lock";

/** What a run leaves in its folder, and `--overwrite` takes away again; everything else there is the user's own. */
const ownFiles =
  /^(config\.json|events\.jsonl|metrics\.jsonl|completions\.jsonl|report\.html|completions\.html|events\.out\.tfevents\.\d+\.vlmr1|checkpoints|pictures|model)$/;

/** What shows that a run has begun here. */
const traces = ["events.jsonl", "metrics.jsonl", "checkpoints"];

/** The right to write into a run folder. */
export interface Claim {
  /** Gives the right back. */
  release(): void;
}

/**
 * Claims a folder for one run, before anything is written there.
 *
 * @throws VlmR1Error `invalid-argument` when another run lies there already and is neither resumed nor overwritten, `unavailable` when
 * another process is writing there, or when nothing can be written there at all.
 */
export function claimRunFolder(
  directory: string,
  {
    resume,
    overwrite,
    command,
  }: { readonly resume: boolean; readonly overwrite: boolean; readonly command: string },
): Claim {
  const isUsed = traces.some((name) => existsSync(join(directory, name)));
  if (isUsed && !resume && !overwrite) {
    throw new VlmR1Error(
      "invalid-argument",
      `${directory} holds a run already. Go on with it: ${commandLine([command, "--resume", directory])}. Or choose another folder with ` +
        "--out, or replace that run with --overwrite.",
    );
  }
  const claim = lock(directory);
  if (isUsed && overwrite && !resume) {
    for (const name of readdirSync(directory))
      if (ownFiles.test(name)) rmSync(join(directory, name), { recursive: true, force: true });
  }
  return claim;
}

const Holder = z.object({ pid: z.int().min(1), host: z.string() });

function lock(directory: string): Claim {
  const path = join(directory, lockFile);
  const own = JSON.stringify({ pid: process.pid, host: hostname(), since: new Date().toISOString() });
  try {
    mkdirSync(directory, { recursive: true });
    if (!writeNew(path, own)) {
      const text = readFileSync(path, "utf8");
      const holder = Holder.safeParse(parsed(text)).data;
      if ((holder && !isGone(holder)) || !takeAway(path, text) || !writeNew(path, own))
        throw held(path, holder);
    }
  } catch (cause) {
    if (VlmR1Error.is(cause)) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new VlmR1Error(
      "unavailable",
      `Nothing can be written to the run folder ${directory}: ${reason}. Choose another folder with --out.`,
      { cause },
    );
  }
  return {
    release() {
      const isOwn = existsSync(path) && readFileSync(path, "utf8") === own;
      if (isOwn) rmSync(path, { force: true });
    },
  };
}

/** Writes a lock that nobody holds, with all its text from the first instant on; false when somebody holds it. */
function writeNew(path: string, text: string): boolean {
  const draft = `${path}-${process.pid}`;
  writeFileSync(draft, text);
  try {
    linkSync(draft, path);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw cause;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Removes a lock with this text; false when it is another by now: of two processes that found the holder gone, one was first. */
function takeAway(path: string, text: string): boolean {
  const aside = `${path}-${process.pid}-gone`;
  try {
    renameSync(path, aside);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return true;
    throw cause;
  }
  const isSame = readFileSync(aside, "utf8") === text;
  if (!isSame) renameSync(aside, path);
  else rmSync(aside);
  return isSame;
}

/** A process of this machine that is no more. Of another machine nothing is known. */
function isGone({ pid, host }: z.output<typeof Holder>): boolean {
  if (host !== hostname()) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === "ESRCH";
  }
}

function held(path: string, holder: z.output<typeof Holder> | undefined): VlmR1Error {
  const who = holder ? `process ${holder.pid} on ${holder.host}` : "another process";
  return new VlmR1Error(
    "unavailable",
    `${who} is writing to this run folder. Wait for it, choose another folder with --out, or, when that process is surely gone, remove ${path}.`,
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Writes a whole file or nothing: under another name, synced, then renamed. A process killed at any instant leaves the old one. */
export function writeWhole(path: string, content: string | Uint8Array): void {
  const temporary = join(dirname(path), `.writing-${process.pid}-${path.slice(dirname(path).length + 1)}`);
  try {
    const file = openSync(temporary, "w");
    try {
      writeFileSync(file, content);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw cause;
  }
}
