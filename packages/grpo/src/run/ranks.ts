import { alone, VlmR1Error, type ErrorCode, type Peers, type RgbImage, type Sample } from "@vlmr1/core";
import type { TrainingGroup } from "@vlmr1/policy";
import type { Checkpoint, CheckpointStore } from "./checkpoint.ts";

/**
 * What ranks tell each other. Every rank runs the same trainer over the same batch and takes the same decisions; only the work is cut,
 * and here the results are put together again.
 */

/** The places of a list that this rank works on. They are dealt like cards, so that what lies together is spread. */
export function ownShare(length: number, { rank, size }: Peers): number[] {
  return Array.from({ length }, (_, place) => place).filter((place) => place % size === rank);
}

type Outcome<T> =
  | { readonly value: T }
  | { readonly error: { readonly code: ErrorCode; readonly message: string } };

/**
 * Does this rank's part of some work, and returns what every rank's part gave, by rank: this rank's own as it is, the others' as JSON
 * carries it. Bytes, such as the pixels of pictures, stay where they are. When the part of one rank fails, every rank throws the same
 * error, which names that rank.
 */
export async function shareResults<T>(peers: Peers, work: () => Promise<T>): Promise<T[]> {
  if (peers.size === 1) return [await work()];
  let own: Outcome<T>;
  try {
    own = { value: await work() };
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    own = { error: { code: VlmR1Error.is(cause) ? cause.code : "unavailable", message } };
  }
  const text = JSON.stringify(own, (_, value: unknown) => (ArrayBuffer.isView(value) ? undefined : value));
  const said = await peers.gather(new TextEncoder().encode(text));
  return said.map((bytes, rank) => {
    const outcome = rank === peers.rank ? own : (JSON.parse(new TextDecoder().decode(bytes)) as Outcome<T>);
    if (!("error" in outcome)) return outcome.value; // undefined, too, which JSON leaves out
    const { code, message } = outcome.error;
    throw new VlmR1Error(code, `Rank ${rank} of ${peers.size}: ${message}`);
  });
}

/** What rank 0 finds, on every rank; an error of rank 0 is thrown on every rank. */
export async function askFirstRank<T>(peers: Peers, work: () => Promise<T>): Promise<T> {
  const [first] = await shareResults(peers, async () => (peers.rank === 0 ? await work() : undefined));
  return first as T;
}

/** Whether any rank says so: a signal that reaches one of them stops all. */
export async function anyRank(peers: Peers, isSo: boolean): Promise<boolean> {
  if (peers.size === 1) return isSo;
  const said = await peers.gather(Uint8Array.of(Number(isSo)));
  return said.some(([value]) => value === 1);
}

/**
 * A sample that another rank decoded: everything but the pixels.
 * @returns a sample whose pictures throw `unsupported` when their `data` is read.
 */
export function withoutPixels<Target>(sample: Sample<Target>, rank: number): Sample<Target> {
  const images = sample.images.map(({ width, height }) => ({
    width,
    height,
    get data(): RgbImage["data"] {
      throw new VlmR1Error(
        "unsupported",
        `The pixels of sample ${sample.id} are on rank ${rank}. Ask the dataset for the sample again.`,
      );
    },
  }));
  return { ...sample, images };
}

/** Which rank asked for the completions of a group: it has their pictures, and what decoding computed of them. */
export interface Owners {
  /** @param completions the array itself: copies of a group keep it. */
  get(completions: TrainingGroup["completions"]): number | undefined;
}

/**
 * Which groups of a batch each rank works on, by rank. A group with an owner stays there. Others go, the longest first, to the rank
 * that has the least to do: within 4/3 of the best cut (Graham, 1969).
 */
export function sharesOf(
  groups: readonly Pick<TrainingGroup, "completions">[],
  { size }: Peers,
  owners?: Owners,
): number[][] {
  const shares: number[][] = Array.from({ length: size }, () => []);
  const load = new Array<number>(size).fill(0);
  const give = (g: number, rank: number): void => {
    shares[rank]!.push(g);
    load[rank]! += tokensOf(groups[g]!);
  };
  const unowned: number[] = [];
  groups.forEach(({ completions }, g) => {
    const owner = owners?.get(completions);
    if (owner === undefined) unowned.push(g);
    else give(g, owner);
  });
  unowned.sort((a, b) => tokensOf(groups[b]!) - tokensOf(groups[a]!) || a - b);
  for (const g of unowned) give(g, load.indexOf(Math.min(...load)));
  return shares.map((share) => share.sort((a, b) => a - b));
}

/** Tokens of all completions of a group. */
export function tokensOf({ completions }: Pick<TrainingGroup, "completions">): number {
  return completions.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0);
}

/** MPI counts bytes in 31 bits. */
const CHUNK = 2 ** 28;

/** The checkpoint that rank 0 read, on every rank. */
async function broadcastCheckpoint(
  peers: Peers,
  checkpoint: Checkpoint | undefined,
): Promise<Checkpoint | undefined> {
  const own = checkpoint && {
    ...checkpoint,
    state: Object.entries(checkpoint.state).map(([name, values]) => [name, values.length] as const),
  };
  const head = await askFirstRank(peers, async () => own ?? null);
  if (head === null) return undefined;
  const state: Record<string, Float32Array> = {};
  for (const [name, length] of head.state) {
    const values = checkpoint?.state[name] ?? new Float32Array(length);
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    for (let at = 0; at < bytes.length; at += CHUNK) {
      const part = bytes.subarray(at, at + CHUNK);
      const heard = await peers.broadcast(peers.rank === 0 ? part : new Uint8Array());
      if (peers.rank !== 0) part.set(heard);
    }
    state[name] = values;
  }
  return { ...head, state };
}

/**
 * A store whose folder only rank 0 touches: it reads for all ranks, and writes alone. Saving is not collective, so that a run which
 * fails on one rank can still be saved.
 *
 * @param store rank 0's own; the other ranks have none.
 */
export function storeOfFirstRank(store: CheckpointStore, peers: Peers = alone): CheckpointStore {
  if (peers.size === 1) return store;
  const isFirst = peers.rank === 0;
  return {
    save: async (checkpoint) => (isFirst ? await store.save(checkpoint) : ""),
    latest: async () => {
      const found = isFirst ? await store.latest() : { notes: [] };
      const { path, notes } = await askFirstRank(peers, async () => ({
        path: found.path,
        notes: found.notes,
      }));
      const checkpoint = await broadcastCheckpoint(peers, found.checkpoint);
      return { notes, ...(checkpoint && { checkpoint }), ...(path !== undefined && { path }) };
    },
    newestManifest: () => askFirstRank(peers, () => store.newestManifest()),
    latestGood: async () => broadcastCheckpoint(peers, isFirst ? await store.latestGood() : undefined),
  };
}
