import { mkdtempSync, openSync, readdirSync, rmSync, statSync, writeSync, closeSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesOf } from "../host-data.ts";
import type { ExternalData } from "../onnx/onnx-writer.ts";

/** Parts of a file start at multiples of this: the alignment that lets the runtime use the mapping itself. */
const alignment = 4096;
const prefix = "vlmr1-engine-";
const day = 24 * 60 * 60 * 1000;

/** A folder in the system's place for temporary files, from which programs map what is built into them. */
export interface ConstantsFolder {
  readonly path: string;
  /** Places for parts of these lengths in a new file, which `writeConstants` fills. */
  reserve(lengths: readonly number[]): ExternalData[];
  read(place: ExternalData): Promise<Uint8Array>;
  /** Removes a file; programs that map it keep it. */
  remove(location: string): void;
  dispose(): void;
}

const created = new Set<string>();
const removeAll = (): void => {
  for (const path of created) rmSync(path, { recursive: true, force: true });
};

/** Makes a folder that is removed with the device or with this process, and removes those of processes that were killed. */
export function createConstantsFolder(): ConstantsFolder {
  sweep();
  const path = mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`));
  if (created.size === 0) process.once("exit", removeAll);
  created.add(path);
  let next = 1;
  return {
    path,
    reserve(lengths) {
      const location = `constants-${next++}.bin`;
      let end = 0;
      return lengths.map((length) => {
        const offset = Math.ceil(end / alignment) * alignment;
        end = offset + length;
        return { location, offset, length };
      });
    },
    async read({ location, offset, length }) {
      const file = await open(join(path, location));
      try {
        const data = new Uint8Array(length);
        for (let done = 0; done < length;) {
          const { bytesRead } = await file.read(data, done, length - done, offset + done);
          if (bytesRead === 0) throw new Error(`${join(path, location)} was cut short.`);
          done += bytesRead;
        }
        return data;
      } finally {
        await file.close();
      }
    },
    remove: (location) => rmSync(join(path, location), { force: true }),
    dispose() {
      rmSync(path, { recursive: true, force: true });
      created.delete(path);
    },
  };
}

/** Writes reserved parts of one file. They are then in the page cache, not in the memory of this process. */
export function writeConstants(
  folder: string,
  places: readonly ExternalData[],
  parts: readonly ArrayBufferView[],
): void {
  const [first] = places;
  if (!first) return;
  const file = openSync(join(folder, first.location), "wx", 0o600);
  try {
    parts.forEach((part, i) => {
      const data = bytesOf(part);
      for (let done = 0; done < data.length;) {
        done += writeSync(file, data, done, data.length - done, (places[i] as ExternalData).offset + done);
      }
    });
  } finally {
    closeSync(file);
  }
}

/** A process that was killed leaves its folder behind. */
function sweep(): void {
  for (const name of readdirSync(tmpdir())) {
    const owner = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : NaN;
    if (!(owner > 0)) continue;
    const path = join(tmpdir(), name);
    try {
      if (!isRunning(owner) && Date.now() - statSync(path).mtimeMs > day)
        rmSync(path, { recursive: true, force: true });
    } catch {
      // another process was faster, or it belongs to somebody else
    }
  }
}

function isRunning(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
