import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { statSync } from "node:fs";
import { arch, cpus, platform } from "node:os";
import { join } from "node:path";
import type { Executable } from "./executable.ts";
import type { PjrtClient } from "./pjrt-client.ts";

/** Compiled programs of a client, those of earlier runs included. */
export interface ProgramStore {
  /** The program of a module: from the folder if it is there, else compiled and kept. */
  get(text: string): Promise<{ readonly executable: Executable; readonly isLoaded: boolean }>;
}

/** What a folder may hold before the programs that were not used for longest are removed. */
const folderLimit = 4 * 2 ** 30;
const ending = ".pjrt";
/** A file is the digest of a program, then the program. */
const digestBytes = 32;

/**
 * Opens a store of programs with some compile options. In a folder, a program lies under a key of everything that decides what it is: the
 * text of its module, the options, the plugin's file and versions, and the processor.
 */
export function openProgramStore(
  client: PjrtClient,
  options: Uint8Array,
  folder: string | undefined,
): ProgramStore {
  const compile = (text: string): Promise<Executable> => client.compile(text, options);
  if (folder === undefined) {
    return { get: async (text) => ({ executable: await compile(text), isLoaded: false }) };
  }
  const maker = makerOf(client);
  return {
    async get(text) {
      const key = createHash("sha256").update(maker).update(options).update(text).digest("hex");
      const file = join(folder, key + ending);
      const kept = await readKept(client, options, file);
      if (kept) return { executable: kept, isLoaded: true };
      const executable = await compile(text);
      await keep(executable, folder, file);
      return { executable, isLoaded: false };
    },
  };
}

/** The plugin, as exactly as it can be told, and the machine that its code is for. */
function makerOf({ plugin, platform: name, version, attributes, processors }: PjrtClient): string {
  const { size, mtimeMs } = statSync(plugin.file);
  const processor = name === "cpu" ? cpus()[0]?.model : processors[0]?.kind;
  const parts = [
    plugin.file,
    size,
    mtimeMs,
    plugin.version,
    name,
    version,
    attributes,
    processor,
    platform(),
    arch(),
  ];
  return JSON.stringify(parts);
}

function digestOf(code: Uint8Array): Buffer {
  return createHash("sha256").update(code).digest();
}

/** A program of an earlier run; undefined when there is none, or none that this plugin still takes. */
async function readKept(
  client: PjrtClient,
  options: Uint8Array,
  file: string,
): Promise<Executable | undefined> {
  try {
    const bytes = await readFile(file);
    const [digest, code] = [bytes.subarray(0, digestBytes), bytes.subarray(digestBytes)];
    if (!digest.equals(digestOf(code))) return undefined; // damaged: the plugin might end the process over it
    const executable = await client.load(code, options);
    const now = new Date();
    await utimes(file, now, now);
    return executable;
  } catch {
    return undefined;
  }
}

/** Writes a program beside its place and renames it, so that another process never sees half of it. A full disk only costs time. */
async function keep(executable: Executable, folder: string, file: string): Promise<void> {
  const draft = `${file}.${process.pid}`;
  try {
    const code = executable.serialize();
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(draft, Buffer.concat([digestOf(code), code]), { mode: 0o600 });
    await rename(draft, file);
    await shrink(folder);
  } catch {
    await rm(draft, { force: true });
  }
}

async function shrink(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(ending));
  const files = await Promise.all(
    names.map(async (name) => {
      const { size, mtimeMs } = await stat(join(folder, name));
      return { path: join(folder, name), size, mtimeMs };
    }),
  );
  let total = files.reduce((sum, { size }) => sum + size, 0);
  for (const { path, size } of files.sort((a, b) => a.mtimeMs - b.mtimeMs)) {
    if (total <= folderLimit) return;
    await rm(path, { force: true });
    total -= size;
  }
}
