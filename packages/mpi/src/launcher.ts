import { VlmR1Error } from "@vlmr1/core";

/** The variables of an environment that say who started a process; pass `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Who started this process as one of several, by the variables that launchers set. */
export interface Launch {
  /** For a person: `mpirun (Open MPI)`, `mpiexec (Hydra)` or `srun (Slurm)`. */
  readonly launcher: string;
  readonly rank: number;
  readonly size: number;
  /** Which family of MPI libraries the launcher speaks to; `either` when it serves both. */
  readonly family: "open-mpi" | "mpich" | "either";
}

const launchers = [
  {
    launcher: "mpirun (Open MPI)",
    family: "open-mpi",
    rank: "OMPI_COMM_WORLD_RANK",
    size: "OMPI_COMM_WORLD_SIZE",
  },
  { launcher: "mpiexec (Hydra)", family: "mpich", rank: "PMI_RANK", size: "PMI_SIZE" },
  // A batch script has SLURM_PROCID too, but only the tasks of an srun have SLURM_STEP_NUM_TASKS.
  { launcher: "srun (Slurm)", family: "either", rank: "SLURM_PROCID", size: "SLURM_STEP_NUM_TASKS" },
] as const;

/**
 * Whether this process was started as one of several, and by whom. `undefined`: it was started on its own.
 *
 * Slurm's `srun --mpi=pmi2` sets the variables of Slurm and of PMI; the more particular ones are read first.
 */
export function launchedBy(environment: Environment): Launch | undefined {
  for (const { launcher, family, rank, size } of launchers) {
    const [ranks, sizes] = [environment[rank], environment[size]];
    if (ranks === undefined || sizes === undefined) continue;
    return { launcher, family, rank: Number(ranks), size: Number(sizes) };
  }
  return undefined;
}

/**
 * A library that is not the launcher's starts N jobs of one rank each, mostly without any error, and all of them would write one folder.
 * So its family is compared before it starts, and what it then says of rank and size.
 *
 * @throws VlmR1Error `unavailable` when what the launcher promised is not what the library says.
 */
export function checkLaunch(
  launch: Launch | undefined,
  library: { readonly name: string; readonly file: string; readonly family: Launch["family"] },
  job?: { readonly rank: number; readonly size: number },
): void {
  if (!launch) return;
  const isOther =
    [launch.family, library.family].every((family) => family !== "either") &&
    launch.family !== library.family;
  if (!isOther && (!job || (launch.size === job.size && launch.rank === job.rank))) return;
  const found = job ? `says rank ${job.rank} of ${job.size}` : "is of another family";
  throw new VlmR1Error(
    "unavailable",
    `${launch.launcher} started rank ${launch.rank} of ${launch.size}, but ${library.name} (${library.file}) ${found}: the MPI library ` +
      "is not the launcher's. Start with the mpirun of the same installation, or name its library (`--mpi-library`, for example " +
      "/usr/lib/x86_64-linux-gnu/libmpi.so.40).",
  );
}
