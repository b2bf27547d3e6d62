import type { Entry } from "./compile.ts";
import type { Effort } from "./device/device.ts";

interface Slot {
  readonly owner: object;
  readonly key: string;
  entry: Promise<Entry>;
  bytes: number;
}

/** Loaded programs of one engine, least recently used first. */
export interface ProgramCache {
  /** The program of `owner` for `key`; builds it if necessary and releases others that exceed the limits. */
  get(owner: object, key: string, limit: number, build: () => Promise<Entry>): Promise<Entry>;
  release(owner?: object): Promise<void>;
  entries(): readonly Entry[];
  /** What all programs have taken, those included that were released. */
  effort(): Effort;
}

/** A cache that keeps programs of at most `memoryLimit` estimated bytes, but always the newest. */
export function createProgramCache(memoryLimit: number): ProgramCache {
  const owners = new Map<object, Map<string, Slot>>();
  const recent = new Set<Slot>(); // insertion order is order of use
  const loaded = new Map<Slot, Entry>();

  const retired: Effort = { emitMs: 0, loadMs: 0, compiled: 0, loaded: 0 };

  const drop = async (slot: Slot): Promise<void> => {
    recent.delete(slot);
    loaded.delete(slot);
    owners.get(slot.owner)?.delete(slot.key);
    const { program } = await slot.entry;
    addEffort(retired, program.effort);
    await program.release();
  };
  const shrink = async (kept: Slot, limit: number): Promise<void> => {
    const own = owners.get(kept.owner)!;
    let bytes = 0;
    for (const slot of recent) bytes += slot.bytes;
    for (const slot of Array.from(recent)) {
      if (slot === kept) continue;
      if (bytes > memoryLimit || (slot.owner === kept.owner && own.size > limit)) {
        bytes -= slot.bytes;
        await drop(slot);
      }
    }
  };

  return {
    async get(owner, key, limit, build) {
      let own = owners.get(owner);
      if (!own) owners.set(owner, (own = new Map()));
      const known = own.get(key);
      if (known) {
        recent.delete(known);
        recent.add(known);
        return known.entry;
      }
      const slot: Slot = { owner, key, entry: build(), bytes: 0 };
      own.set(key, slot);
      recent.add(slot);
      try {
        const entry = await slot.entry;
        loaded.set(slot, entry);
        slot.bytes = entry.description.constantBytes + entry.description.workBytes;
        await shrink(slot, limit);
        return entry;
      } catch (error) {
        recent.delete(slot);
        own.delete(key);
        throw error;
      }
    },
    async release(owner) {
      for (const slot of Array.from(recent))
        if (owner === undefined || slot.owner === owner) await drop(slot);
    },
    entries: () => [...loaded.values()],
    effort() {
      const total = { ...retired };
      for (const { program } of loaded.values()) addEffort(total, program.effort);
      return total;
    },
  };
}

function addEffort(total: Effort, part: Effort): void {
  total.emitMs += part.emitMs;
  total.loadMs += part.loadMs;
  total.compiled += part.compiled;
  total.loaded += part.loaded;
}
