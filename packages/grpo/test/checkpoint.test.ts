import { mkdtemp, mkdir, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readCheckpoint, writeCheckpoint, type Checkpoint } from "../src/run/checkpoint.ts";
import { openCheckpointStore } from "../src/run/checkpoint.ts";
import { initialProgress } from "../src/run/report.ts";
import { train } from "../src/train.ts";
import { collect, essence } from "./collect.ts";
import { fakeDataset } from "./fake-dataset.ts";
import { plainPolicy } from "./plain-policy.ts";

let folder = "";
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), "vlmr1-checkpoint-"))));
afterEach(() => rm(folder, { recursive: true, force: true }));

function checkpoint(step: number, change: Partial<Checkpoint> = {}): Checkpoint {
  return {
    state: { parameters: Float32Array.of(step, -0, Infinity, NaN, 1e-45), mean: new Float32Array(0) },
    progress: { ...initialProgress(), step, prompts: { 3: { visits: 2, spread: 0.1 + 0.2 } } },
    metrics: { "reward/mean": 1 / 3 },
    config: { steps: 9 },
    isGood: true,
    ...change,
  };
}
const names = async () => (await readdir(folder)).toSorted();

describe("a checkpoint", () => {
  test("comes back bit for bit", async () => {
    const path = join(folder, "step-000007");
    await writeCheckpoint(path, checkpoint(7));
    const { state, ...rest } = await readCheckpoint(path);
    const { state: expected, ...expectedRest } = checkpoint(7);
    expect(rest).toEqual(expectedRest);
    for (const [name, values] of Object.entries(expected)) {
      expect(Buffer.from(state[name]?.buffer as ArrayBuffer)).toEqual(Buffer.from(values.buffer));
    }
  });

  test("keeps metrics that are not numbers readable", async () => {
    const path = join(folder, "step-000001");
    await writeCheckpoint(path, checkpoint(1, { metrics: { bad: NaN } }));
    expect((await readCheckpoint(path)).metrics).toEqual({ bad: NaN });
  });

  test.each([
    [
      "a changed byte",
      async (path: string) => {
        const bytes = await readFile(path);
        bytes[2] = (bytes[2] as number) ^ 1;
        await writeFile(path, bytes);
      },
    ],
    ["a missing end", (path: string) => truncate(path, 7)],
    ["no file", (path: string) => rm(path)],
  ])("with %s is refused, and the one before is used", async (_, damage) => {
    const store = openCheckpointStore(folder, 3);
    await store.save(checkpoint(1));
    await store.save(checkpoint(2));
    await damage(join(folder, "step-000002", "state.bin"));
    const { checkpoint: found, notes } = await store.latest();
    expect(found?.progress.step).toBe(1);
    expect(notes).toHaveLength(1);
    expect(notes[0]).toContain("step-000002 cannot be used");
    await store.save(checkpoint(2));
    expect((await store.latest()).checkpoint?.progress.step).toBe(2);
  });

  test.each(["{", "{}", '{"format":"other"}'])("with the manifest %s is refused", async (manifest) => {
    const store = openCheckpointStore(folder, 3);
    await store.save(checkpoint(1));
    await writeFile(join(folder, "step-000001", "manifest.json"), manifest);
    expect((await store.latest()).checkpoint).toBeUndefined();
  });
});

describe("a checkpoint that somebody changed", () => {
  const whole = checkpoint(1, { progress: { ...initialProgress(), step: 1, updates: 3 } });

  test("any flipped bit of any file is noticed", async () => {
    const path = join(folder, "step-000001");
    await writeCheckpoint(path, whole);
    for (const name of ["manifest.json", "state.bin"]) {
      const file = join(path, name);
      const bytes = await readFile(file);
      for (let at = 0; at < bytes.length; at += Math.ceil(bytes.length / 120)) {
        const flipped = Buffer.from(bytes);
        flipped[at] = (flipped[at] as number) ^ (1 << (at % 8));
        await writeFile(file, flipped);
        await expect(readCheckpoint(path), `${name}, byte ${at}`).rejects.toMatchObject({
          name: "VlmR1Error",
        });
      }
      await writeFile(file, bytes);
    }
    await readCheckpoint(path);
  });

  interface Edited {
    progress: Record<string, unknown>;
    arrays: Record<string, unknown>[];
    [field: string]: unknown;
  }

  test.each<[what: string, edit: (contents: Edited) => void]>([
    ["step", ({ progress }) => void (progress["step"] = -5)],
    ["updates", ({ progress }) => void (progress["updates"] = 4)],
    ["rate factor", ({ progress }) => void (progress["rateFactor"] = 2)],
    ["guards", ({ progress }) => void (progress["guards"] = [{}])],
    ["arrays", ({ arrays }) => void (arrays[0]!["length"] = 2 ** 40)],
    ["isGood", (contents) => void (contents["isGood"] = false)],
    ["an unknown field", (contents) => void (contents["more"] = 1)],
  ])("an edit of %s is refused", async (_, edit) => {
    const path = join(folder, "step-000001");
    await writeCheckpoint(path, whole);
    const file = join(path, "manifest.json");
    const manifest = JSON.parse(await readFile(file, "utf8")) as { contents: Edited };
    edit(manifest.contents);
    await writeFile(file, JSON.stringify(manifest));
    await expect(readCheckpoint(path)).rejects.toThrow("its digest is another");
  });

  test("a step outside its range is refused even where the digest fits", async () => {
    const path = join(folder, "step-000001");
    await writeCheckpoint(path, { ...whole, progress: { ...whole.progress, step: -5 } });
    await expect(readCheckpoint(path)).rejects.toThrow(/progress\.step cannot be/);
    await rm(path, { recursive: true });
    await writeCheckpoint(path, { ...whole, progress: { ...whole.progress, step: 2 } });
    await expect(readCheckpoint(path)).rejects.toThrow("it is of step 2, in the folder of another step");
  });

  test("a manifest of 20,000 brackets is an error with a name", async () => {
    const path = join(folder, "step-000001");
    await writeCheckpoint(path, whole);
    await writeFile(join(path, "manifest.json"), "[".repeat(20_000) + "]".repeat(20_000));
    await expect(readCheckpoint(path)).rejects.toMatchObject({ code: "limit" });
  });
});

describe("a store", () => {
  test("keeps the newest ones, the best one and the newest good one", async () => {
    const store = openCheckpointStore(folder, 2);
    for (let step = 1; step <= 6; step++) {
      const best = { value: 1, step: Math.min(step, 2) };
      await store.save(
        checkpoint(step, { progress: { ...initialProgress(), step, best }, isGood: step <= 3 }),
      );
    }
    expect(await names()).toEqual(["step-000002", "step-000003", "step-000005", "step-000006"]);
    expect((await store.latestGood())?.progress.step).toBe(3);
    const reopened = openCheckpointStore(folder, 2);
    expect((await reopened.latestGood())?.progress.step).toBe(3);
    await reopened.save(checkpoint(7, { isGood: false }));
    expect(await names()).toEqual(["step-000003", "step-000006", "step-000007"]);
  });

  test("clears away what a killed process left", async () => {
    await mkdir(join(folder, ".writing-1-step-000001"));
    await mkdir(join(folder, ".removing-step-000000"));
    const store = openCheckpointStore(folder, 1);
    expect((await store.latest()).checkpoint).toBeUndefined();
    await store.save(checkpoint(1));
    expect(await names()).toEqual(["step-000001"]);
  });

  test("is empty where there is no folder", async () => {
    expect(await openCheckpointStore(join(folder, "none"), 1).latest()).toEqual({ notes: [] });
  });
});

const program = (options: object) =>
  train({
    policy: plainPolicy(),
    dataset: fakeDataset(6),
    score: async ({ completion, step = 0 }) => ({
      total: completion.startsWith("b") ? 1 : 0.01 * step,
      scores: {},
    }),
    directory: folder,
    resume: true,
    ...options,
  });
const config = {
  steps: 12,
  promptsPerStep: 3,
  groupSize: 4,
  maxNewTokens: 3,
  learningRate: 0.1,
  iterations: 2,
};

describe("a run", () => {
  test("that is stopped and resumed repeats what one without a stop does", async () => {
    const whole = await collect(program({ directory: undefined, config }));
    const reports = [];
    for (const stop of [3, 7, 12]) {
      for await (const report of program({ config: { ...config, checkpointEvery: 5 } })) {
        reports.push(report);
        if (report.step === stop) break;
      }
    }
    expect(essence(reports)).toEqual(essence(whole.reports));
    expect(reports[3]?.notes).toEqual([`Resumed after step 3 from ${join(folder, "step-000003")}.`]);
  });

  test("writes where and when it is told to, and says where", async () => {
    const paths = [];
    const options = {
      ...config,
      steps: 7,
      checkpointEvery: 3,
      keepCheckpoints: 2,
      bestMetric: "reward/mean",
      iterations: 1,
    };
    for await (const { step, checkpoint: path } of program({ config: options }))
      if (path) paths.push([step, path]);
    expect(paths.map(([step]) => step)).toEqual(expect.arrayContaining([1, 3, 6, 7]));
    expect((await names()).slice(-2)).toEqual(["step-000006", "step-000007"]);
    const { checkpoint: last } = await openCheckpointStore(folder, 2).latest();
    expect(await names()).toContain(`step-${String(last?.progress.best?.step).padStart(6, "0")}`);
  });

  test("without resume begins again, with it says what changed", async () => {
    await collect(program({ config: { ...config, steps: 2 } }));
    const again = await collect(program({ config: { ...config, steps: 2 }, resume: false }));
    expect(again.reports.map(({ step }) => step)).toEqual([1, 2]);
    const longer = await collect(program({ config: { ...config, steps: 3, learningRate: 0.2 } }));
    expect(longer.reports.map(({ step }) => step)).toEqual([3]);
    expect(longer.reports[0]?.notes[1]).toBe(
      "Configuration differs from the checkpoint's in: steps, learningRate.",
    );
  });

  test("of all its steps returns at once when resumed", async () => {
    await collect(program({ config }));
    expect(await collect(program({ config }))).toEqual({
      reports: [],
      summary: { ending: "finished", step: 12 },
    });
  });

  test("that fails before an update saves the last whole step; one that fails inside an update does not", async () => {
    for (const where of ["sampling", "updating"] as const) {
      const policy = plainPolicy();
      let calls = 0;
      const failing = {
        ...policy,
        complete: async (...args: Parameters<typeof policy.complete>) => {
          if (where === "sampling" && ++calls === 4) throw new Error("cable pulled");
          return policy.complete(...args);
        },
        apply: async (...args: Parameters<typeof policy.apply>) => {
          if (where === "updating" && ++calls === 8) throw new Error("cable pulled");
          return policy.apply(...args);
        },
      };
      const directory = join(folder, where);
      await expect(collect(program({ policy: failing, config, directory }))).rejects.toThrow("cable pulled");
      const { checkpoint: saved } = await openCheckpointStore(directory, 2).latest();
      expect(saved?.progress.step).toBe(where === "sampling" ? 3 : 0);
    }
    const whole = await collect(program({ directory: undefined, config }));
    const rest = await collect(program({ config, directory: join(folder, "sampling") }));
    expect(essence(rest.reports)).toEqual(essence(whole.reports.slice(3)));
  });
});

describe("a full disk", () => {
  // RLIMIT_FSIZE stands in for it: a write beyond the limit fails (EFBIG) wherever it happens to be.
  const runWithLimit = (blocks: number, ...parameters: string[]) => {
    const at = (name: string) => fileURLToPath(new URL(name, import.meta.url));
    const flags = `--conditions=@vlmr1/source --import tsx --import ${at("soak/without-tfjs.ts")}`;
    const command = `ulimit -f ${blocks}; exec "${process.execPath}" ${flags} ${at("soak/killed-run.ts")} "$@"`;
    return promisify(execFile)("bash", ["-c", command, "bash", ...parameters]);
  };

  test("loses nothing: earlier checkpoints stand, and the run can go on when there is room again", async () => {
    const [checkpoints, log] = [join(folder, "checkpoints"), join(folder, "log")];
    await runWithLimit(100_000, checkpoints, log, "4", "1000");
    const before = await openCheckpointStore(checkpoints, 2).latest();
    // 400 kB a checkpoint, 100 kB a file: the last one cannot be written, which ends the run with an error.
    const full = runWithLimit(100, checkpoints, log, "8", "100000");
    await expect(full).rejects.toThrow(/last checkpoint could not be written/);
    const after = await openCheckpointStore(checkpoints, 2).latest();
    expect(after.notes).toEqual([]);
    expect(after.checkpoint).toEqual(before.checkpoint);
    expect((await readdir(checkpoints)).filter((name) => name.startsWith("."))).toEqual([]);
    await runWithLimit(100_000, checkpoints, log, "8", "1000");
    const lines = (await readFile(log, "utf8")).trim().split("\n");
    await runWithLimit(100_000, join(folder, "other"), join(folder, "log-2"), "8", "1000");
    const expected = (await readFile(join(folder, "log-2"), "utf8")).trim().split("\n");
    expect(lines.slice(-5)).toEqual(expected.slice(-5));
  }, 400_000);

  test("in the middle of a run is a note, and the run goes on", async () => {
    const notes: string[] = [];
    const directory = join(folder, "checkpoints");
    for await (const report of program({ directory, config: { ...config, steps: 6, checkpointEvery: 2 } })) {
      notes.push(...report.notes);
      if (report.step === 2) {
        await rm(directory, { recursive: true });
        await writeFile(directory, "in the way");
      }
      if (report.step === 4) await rm(directory);
    }
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatch(/checkpoint of step 4 could not be written .*; earlier ones stand/);
    expect((await openCheckpointStore(directory, 2).latest()).checkpoint?.progress.step).toBe(6);
  });
});
