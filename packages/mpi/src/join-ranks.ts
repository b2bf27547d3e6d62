import { hostname } from "node:os";
import { VlmR1Error, type Peers } from "@vlmr1/core";
import { checkLaunch, launchedBy, type Environment } from "./launcher.ts";
import { libraryCandidates, loadLibrary, type Abi } from "./library.ts";

/** How {@link joinRanks} finds the others. */
export interface JoinOptions {
  /** `process.env`: says who started this process, and where its MPI may be. */
  readonly environment: Environment;
  /** Path or name of an MPI library; found by the launcher and the environment when absent. */
  readonly library?: string;
  /** How long one call waits for the others before it throws, in seconds. Default 1800. */
  readonly timeout?: number;
}

/** The ranks of an MPI job, as {@link Peers}, and where they run. */
export interface Ranks extends Peers {
  /** Name and version of the MPI library, for a person. */
  readonly library: string;
  /** The library's file, as it was loaded. */
  readonly file: string;
  /** Name of each rank's machine, by rank. */
  readonly hosts: readonly string[];
  /** This rank among those of its machine, from 0: which accelerator is its own. */
  readonly localRank: number;
  /** How many ranks share this machine, and its cores. */
  readonly localSize: number;
  /** Says goodbye, after the last call. Every rank calls it; a process that exits without it ends the job as failed. */
  leave(): Promise<void>;
}

/**
 * Joins the ranks that `mpirun`, `mpiexec` or `srun` started: Open MPI 4.1 and 5, MPICH 4 and 5 and their kin, and libraries of the MPI
 * 5 standard ABI, told apart when they are loaded.
 *
 * Each call first meets the others at a barrier that is polled, then moves the data in one blocking call: a rank that waits inside MPI
 * burns a whole core, and its event loop stands still.
 *
 * @throws VlmR1Error `unavailable` when no library is found, when it is not the launcher's, when a call fails, or when a rank stays away
 * longer than `timeout`; `limit` when the ranks have more than 2 GiB to say at once.
 */
export async function joinRanks({ environment, library, timeout = 1800 }: JoinOptions): Promise<Ranks> {
  const loaded = loadLibrary(library === undefined ? libraryCandidates(environment) : [library]);
  const launch = launchedBy(environment);
  const { abi, file } = loaded;
  checkLaunch(launch, { name: abi.kind, file, family: abi.family });
  const mpi = bind(loaded);
  const job = mpi.start();
  checkLaunch(launch, { name: job.library, file, family: abi.family }, job);
  const { rank, size } = job;

  const meet = (call: string) => settled(mpi.barrier(), { call, timeout, rank, size });
  const gather = async (bytes: Uint8Array): Promise<Uint8Array[]> => {
    await meet("gather");
    return mpi.gather(bytes, size);
  };
  const hosts = (await gather(new TextEncoder().encode(hostname()))).map((name) =>
    new TextDecoder().decode(name),
  );
  const here = hosts.flatMap((name, r) => (name === hosts[rank] ? [r] : []));
  return {
    rank,
    size,
    library: job.library,
    file,
    hosts,
    localRank: here.indexOf(rank),
    localSize: here.length,
    gather,
    sum: async (data) => {
      await meet("sum");
      mpi.sum(data);
    },
    broadcast: async (bytes) => {
      await meet("broadcast");
      const length = Float64Array.of(bytes.byteLength);
      mpi.broadcast(length);
      const message = rank === 0 ? bytes : new Uint8Array(length[0]!);
      if (message.byteLength > 0) mpi.broadcast(message);
      return message;
    },
    barrier: () => meet("barrier"),
    abort: (code) => mpi.abort(code),
    leave: async () => {
      await meet("leave");
      mpi.finish();
    },
  };
}

interface Wait {
  readonly call: string;
  readonly timeout: number;
  readonly rank: number;
  readonly size: number;
}

/** Polls until all ranks are here: first at every turn of the event loop, then each millisecond, the shortest that a timer can be. */
async function settled(isSettled: () => boolean, { call, timeout, rank, size }: Wait): Promise<void> {
  const start = performance.now();
  for (let i = 0; !isSettled(); i++) {
    if (performance.now() - start > timeout * 1000) {
      throw new VlmR1Error(
        "unavailable",
        `Rank ${rank} of ${size} waited ${timeout} s at "${call}" for another rank that did not come: it hangs, was lost, or its share ` +
          "takes longer. Look at the other ranks' output; raise the time-out (`--peer-timeout`) if they were still at work.",
      );
    }
    await new Promise((next) => (i < 50 ? setImmediate(next) : setTimeout(next, 1)));
  }
}

/** The calls of MPI that are needed, with handles and types of the library's own interface. */
function bind({ library, abi }: { library: ReturnType<typeof loadLibrary>["library"]; abi: Abi }) {
  const declare = (prototype: string) => library.func(prototype.replaceAll("Handle ", `${abi.handle} `));
  const c = {
    init: declare("int MPI_Init_thread(void* argc, void* argv, int required, _Out_ int* provided)"),
    rank: declare("int MPI_Comm_rank(Handle comm, _Out_ int* rank)"),
    size: declare("int MPI_Comm_size(Handle comm, _Out_ int* size)"),
    onError: declare("int MPI_Comm_set_errhandler(Handle comm, Handle handler)"),
    errorText: declare("int MPI_Error_string(int code, void* text, _Out_ int* length)"),
    version: declare("int MPI_Get_library_version(void* text, _Out_ int* length)"),
    // IN_PLACE is a number and no memory, so what is sent is declared as one.
    allReduce: declare(
      "int MPI_Allreduce(intptr_t from, void* to, int count, Handle type, Handle op, Handle comm)",
    ),
    allGather: declare(
      "int MPI_Allgather(void* from, int n, Handle type, void* to, int m, Handle type2, Handle comm)",
    ),
    allGatherParts: declare(
      "int MPI_Allgatherv(void* from, int n, Handle type, void* to, void* counts, void* starts, Handle type2, Handle comm)",
    ),
    broadcast: declare("int MPI_Bcast(void* data, int count, Handle type, int root, Handle comm)"),
    startBarrier: declare("int MPI_Ibarrier(Handle comm, void* request)"),
    test: declare("int MPI_Test(void* request, _Out_ int* flag, intptr_t status)"),
    finalize: declare("int MPI_Finalize()"),
    abort: declare("int MPI_Abort(Handle comm, int code)"),
  };
  const { world, byte, float, add, inPlace, ignoreStatus } = abi;

  const check = (code: number, call: string): void => {
    if (code === 0) return;
    const [text, length] = [Buffer.alloc(8192), [0]];
    c.errorText(code, text, length);
    throw new VlmR1Error(
      "unavailable",
      `${call} failed: ${text.toString("latin1", 0, length[0])} (code ${code}).`,
    );
  };
  const numberOf = (call: string, read: (out: number[]) => number): number => {
    const out = [0];
    check(read(out), call);
    return out[0]!;
  };

  return {
    start() {
      check(c.init(null, null, abi.threadMultiple, [0]), "MPI_Init_thread");
      check(c.onError(world, abi.errorsReturn), "MPI_Comm_set_errhandler");
      const text = Buffer.alloc(8192);
      const length = numberOf("MPI_Get_library_version", (out) => c.version(text, out));
      return {
        rank: numberOf("MPI_Comm_rank", (out) => c.rank(world, out)),
        size: numberOf("MPI_Comm_size", (out) => c.size(world, out)),
        // Open MPI counts the terminating zero; MPICH describes its whole build in further lines.
        library: text
          .toString("latin1", 0, length)
          .split(/[\n\0]/)[0]!
          .trim(),
      };
    },
    /** Starts a barrier; the function says whether everybody has come. */
    barrier() {
      const request = Buffer.alloc(8);
      check(c.startBarrier(world, request), "MPI_Ibarrier");
      return () => numberOf("MPI_Test", (out) => c.test(request, out, ignoreStatus)) !== 0;
    },
    sum(data: Float32Array) {
      check(c.allReduce(inPlace, data, data.length, float, add, world), "MPI_Allreduce");
    },
    broadcast(data: Uint8Array | Float64Array) {
      check(c.broadcast(data, data.byteLength, byte, 0, world), "MPI_Bcast");
    },
    gather(bytes: Uint8Array, size: number): Uint8Array[] {
      const counts = new Int32Array(size);
      check(c.allGather(Int32Array.of(bytes.byteLength), 4, byte, counts, 4, byte, world), "MPI_Allgather");
      const starts = new Int32Array(size);
      let total = 0;
      counts.forEach((count, r) => {
        starts[r] = total;
        total += count;
      });
      if (total > 2 ** 31 - 1)
        throw new VlmR1Error(
          "limit",
          `The ranks have ${total} bytes to say at once; MPI counts to 2147483647.`,
        );
      // koffi refuses memory of no bytes, which a rank without anything to say would pass.
      const [from, all] = [
        bytes.byteLength > 0 ? bytes : new Uint8Array(1),
        new Uint8Array(Math.max(1, total)),
      ];
      check(
        c.allGatherParts(from, bytes.byteLength, byte, all, counts, starts, byte, world),
        "MPI_Allgatherv",
      );
      return Array.from(counts, (count, r) => all.subarray(starts[r]!, starts[r]! + count));
    },
    finish: () => check(c.finalize(), "MPI_Finalize"),
    abort: (code: number) => void c.abort(world, code),
  };
}
