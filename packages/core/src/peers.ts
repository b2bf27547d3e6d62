import { VlmR1Error } from "./error.ts";

/**
 * The processes that train one model together: what they have to tell each other, and nothing else. `@vlmr1/mpi` makes one over MPI;
 * {@link alone} is a single process; {@link inProcessPeers} lets a test play several ranks in one.
 *
 * Every call is collective: all ranks make the same calls in the same order, and each call settles once all have made it.
 */
export interface Peers {
  /** This process, from 0 to `size - 1`. Rank 0 is the one that writes files. */
  readonly rank: number;
  readonly size: number;
  /** Adds up the arrays of all ranks, in place. All have the same length, and afterwards the same bits on every rank. */
  sum(data: Float32Array): Promise<void>;
  /** What every rank said, in the order of the ranks. Lengths may differ, and may be 0. */
  gather(bytes: Uint8Array): Promise<readonly Uint8Array[]>;
  /** What rank 0 said; the bytes of the other ranks are ignored. */
  broadcast(bytes: Uint8Array): Promise<Uint8Array>;
  /** Settles once every rank is here. */
  barrier(): Promise<void>;
  /** Ends all ranks at once, with this exit code, wherever they are. The one call that is not collective. */
  abort(code: number): void;
}

/** One process on its own: every call answers at once, and copies nothing. */
export const alone: Peers = {
  rank: 0,
  size: 1,
  sum: async () => {},
  gather: async (bytes) => [bytes],
  broadcast: async (bytes) => bytes,
  barrier: async () => {},
  abort: (code) => {
    throw new VlmR1Error("aborted", `The run was ended with code ${code}.`);
  },
};

/**
 * `size` ranks in this process, for tests: run the same function once per rank, at the same time.
 *
 *     await Promise.all(inProcessPeers(2).map((peers) => work(peers)));
 *
 * Sums run over the ranks in their order, so they are the same bits at every call. After an `abort`, and when ranks make different
 * calls, every rank's pending and later calls reject.
 */
export function inProcessPeers(size: number): readonly Peers[] {
  if (!Number.isInteger(size) || size < 1)
    throw new VlmR1Error(
      "invalid-argument",
      `inProcessPeers needs a whole number of ranks from 1, not ${size}.`,
    );
  const meet = createMeeting(size);
  return Array.from({ length: size }, (_, rank) => ({
    rank,
    size,
    sum: async (data) => {
      const all = await meet.join(rank, `sum of ${data.length}`, data.slice());
      for (let i = 0; i < data.length; i++) {
        let total = all[0]![i]!;
        for (let r = 1; r < size; r++) total = Math.fround(total + all[r]![i]!);
        data[i] = total;
      }
    },
    gather: (bytes) => meet.join(rank, "gather", bytes.slice()),
    broadcast: async (bytes) => (await meet.join(rank, "broadcast", bytes.slice()))[0]!,
    barrier: async () => {
      await meet.join(rank, "barrier", new Uint8Array());
    },
    abort: (code) => meet.fail(new VlmR1Error("aborted", `Rank ${rank} ended the run with code ${code}.`)),
  }));
}

type Said = Float32Array | Uint8Array;

interface Arrival {
  readonly call: string;
  readonly said: Said;
  readonly resolve: (all: readonly Said[]) => void;
  readonly reject: (cause: unknown) => void;
}

/** A table at which each rank takes a seat with what it has to say; when the last one sits down, everybody hears everything. */
function createMeeting(size: number) {
  let arrivals = new Map<number, Arrival>();
  let failure: VlmR1Error | undefined;
  const fail = (cause: VlmR1Error): void => {
    failure = cause;
    for (const { reject } of arrivals.values()) reject(cause);
    arrivals = new Map();
  };
  return {
    fail,
    join<T extends Said>(rank: number, call: string, said: T): Promise<readonly T[]> {
      return new Promise((resolve, reject) => {
        if (failure) return reject(failure);
        if (arrivals.has(rank))
          return reject(
            new VlmR1Error("invalid-argument", `Rank ${rank} made a second call before its first settled.`),
          );
        // All ranks made the same call, so what they said has one type.
        arrivals.set(rank, { call, said, resolve: (all) => resolve(all as readonly T[]), reject });
        if (arrivals.size < size) return;
        const seated = Array.from({ length: size }, (_, r) => arrivals.get(r)!);
        const other = seated.find((arrival) => arrival.call !== seated[0]!.call);
        if (other)
          return fail(
            new VlmR1Error(
              "invalid-argument",
              `Ranks make different calls: ${seated[0]!.call} and ${other.call}.`,
            ),
          );
        arrivals = new Map();
        const all = seated.map((arrival) => arrival.said);
        for (const arrival of seated) arrival.resolve(all);
      });
    },
  };
}
