import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { installations, startRanks } from "./start-ranks.ts";

describe.each(installations)("$name", (installation) => {
  test.each([1, 2, 3, 4])("sums, gathers, broadcasts: %i ranks", async (size) => {
    const { code, out, err } = await startRanks(installation, size, "rank.ts", ["collectives"]);
    expect({ code, err: code === 0 ? "" : err }).toEqual({ code: 0, err: "" });
    expect(JSON.parse(out)).toMatchObject({
      sums: true,
      sameBits: true,
      said: ["", "xxx", "xxxxxx", "xxxxxxxxx"].slice(0, size),
      heard: "hello",
      nothing: 0,
      size,
      local: [0, size],
    });
  });

  test("waits politely: a second of waiting costs far less than a second of a core", async () => {
    const { out } = await startRanks(installation, 2, "rank.ts", ["late"]);
    const { milliseconds } = JSON.parse(out) as { milliseconds: number[] };
    expect(milliseconds).toHaveLength(1);
    expect(milliseconds[0]).toBeLessThan(400);
  });

  test.each(["kill", "throw"])("a rank that ends by %s ends the job, and the job has failed", async (how) => {
    const { code } = await startRanks(installation, 3, "rank.ts", [how]);
    expect(code).not.toBe(0);
  });

  test("a rank that stays away is found by the time-out", async () => {
    const { code, err } = await startRanks(installation, 2, "rank.ts", ["silent"]);
    expect(code).not.toBe(0);
    expect(err).toContain('waited 1 s at "barrier"');
  });
});

test("a library that is not the launcher's is refused by every rank, both ways round", async () => {
  const [openMpi, mpich] = [installations[0]!, installations[1]!];
  const openMpiLibrary = join(dirname(dirname(openMpi.mpirun)), "lib", "libmpi.so.40");
  for (const mixed of [
    { ...openMpi, library: mpich.library! },
    { ...mpich, library: openMpiLibrary },
  ]) {
    const { code, err } = await startRanks(mixed, 2, "rank.ts", ["collectives"]);
    expect(code).not.toBe(0);
    expect(err).toMatch(/started rank \d of 2, but (Open MPI|MPICH) .* is of another family/);
  }
});
