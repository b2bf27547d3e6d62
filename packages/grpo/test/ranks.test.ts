import "@tensorflow/tfjs"; // a backend for tablePolicy
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { alone, inProcessPeers, VlmR1Error, type Peers, type ScoreFunction } from "@vlmr1/core";
import type { Policy, PolicyState } from "@vlmr1/policy";
import { describe, expect, test } from "vitest";
import { finetune } from "../src/finetune.ts";
import { shareResults, sharesOf } from "../src/run/ranks.ts";
import { train, type TrainOptions } from "../src/train.ts";
import { collect, essence } from "./collect.ts";
import { tablePolicy } from "@vlmr1/policy/testing";
import { fakeDataset } from "./fake-dataset.ts";

const spelling: ScoreFunction = async ({ completion, sample }) => {
  const match = completion.startsWith("abc"[Number(sample.id) % 3] as string) ? 1 : 0;
  return { total: match + 0.1 * completion.length, scores: { match } };
};
const speller = () => tablePolicy({ prompts: 6, words: ["a", "b", "c", "."], maxLength: 4 });
const config = { steps: 5, promptsPerStep: 5, groupSize: 4, maxNewTokens: 4, learningRate: 0.1 };

type Ran = Awaited<ReturnType<typeof collect>> & { readonly state: PolicyState };

/** The same training on every rank, each with a policy of its own. */
async function trainOn(
  all: readonly Peers[],
  options: Partial<TrainOptions<unknown>> = {},
  policyOf: (rank: number) => Policy = speller,
): Promise<Ran[]> {
  return Promise.all(
    all.map(async (peers) => {
      const policy = policyOf(peers.rank);
      const base = { policy, dataset: fakeDataset(6), score: spelling, peers, ...options };
      const ran = await collect(train({ ...base, config: { ...config, ...options.config } }));
      return { ...ran, state: await policy.snapshot() };
    }),
  );
}

function expectClose(a: PolicyState, b: PolicyState, digits = 5): void {
  expect(Object.keys(a)).toEqual(Object.keys(b));
  for (const [name, values] of Object.entries(a))
    values.forEach((value, i) => expect(value).toBeCloseTo(b[name]![i]!, digits));
}

const completionsOf = ({ reports }: Ran) =>
  reports.map(({ groups }) =>
    groups.map(({ index, completions }) => [index, completions.map(({ tokenIds }) => tokenIds)]),
  );

describe("GRPO on several ranks", () => {
  test.each([2, 3, 7])("%i ranks draw, reward and learn what one process does", async (size) => {
    const variants: NonNullable<TrainOptions<unknown>["config"]>[] = [
      {},
      { iterations: 2, minibatches: 2, promptsPerMicroBatch: 2, resampleRounds: 1, measureKlEvery: 1 },
    ];
    for (const variant of variants) {
      const [single] = await trainOn([alone], { config: variant });
      const ranks = await trainOn(inProcessPeers(size), { config: variant });
      for (const ran of ranks) {
        expect(ran.state).toEqual(ranks[0]!.state); // the same bits on every rank
        expect(essence(ran.reports)).toEqual(essence(ranks[0]!.reports));
        expect(completionsOf(ran)).toEqual(completionsOf(single!));
        expectClose(ran.state, single!.state);
      }
    }
  });

  test("more ranks than prompts: some have nothing to do", async () => {
    const [single] = await trainOn([alone], { config: { promptsPerStep: 1 } });
    const ranks = await trainOn(inProcessPeers(3), { config: { promptsPerStep: 1 } });
    for (const ran of ranks) expect(ran.state).toEqual(single!.state); // nothing but zeros is added
  });

  test("each rank asks and rewards its own share alone", async () => {
    const asked: number[][] = [[], []];
    const rewarded = [0, 0];
    const all = inProcessPeers(2);
    await Promise.all(
      all.map((peers) => {
        const dataset = fakeDataset(6);
        const get = async (index: number) => (asked[peers.rank]!.push(index), dataset.get(index));
        const score: ScoreFunction = (input) => (rewarded[peers.rank]!++, spelling(input));
        const options = { policy: speller(), dataset: { ...dataset, get }, score, peers };
        return collect(train({ ...options, config: { ...config, steps: 1, promptsPerStep: 4 } }));
      }),
    );
    expect(asked.map((indices) => indices.length)).toEqual([2, 2]);
    expect(rewarded).toEqual([8, 8]);
  });

  test("a picture that another rank decoded says where it is", async () => {
    const image = { width: 1, height: 1, data: new Uint8Array(3) };
    const dataset = fakeDataset(6);
    const get = async (index: number) => ({ ...(await dataset.get(index)), images: [image] });
    const [ran] = await trainOn(inProcessPeers(2), { dataset: { ...dataset, get }, config: { steps: 1 } });
    const [own, other] = ran!.reports[0]!.groups;
    expect(own!.sample.images[0]!.data).toHaveLength(3);
    expect(other!.sample.images[0]).toMatchObject({ width: 1, height: 1 });
    expect(() => other!.sample.images[0]!.data).toThrow(/pixels of sample \d are on rank 1/);
  });

  test("a reward that throws on one rank ends the run on every rank, and names it", async () => {
    const rewards = [spelling, () => Promise.reject(new Error("no luck"))] as const;
    const runs = await Promise.allSettled(
      inProcessPeers(2).map((peers) =>
        collect(
          train({ policy: speller(), dataset: fakeDataset(6), score: rewards[peers.rank]!, peers, config }),
        ),
      ),
    );
    for (const run of runs) {
      expect(run.status).toBe("rejected");
      const { reason } = run as PromiseRejectedResult;
      expect(VlmR1Error.is(reason, "reward-failed")).toBe(true);
    }
    expect((runs[0] as PromiseRejectedResult).reason.message).toMatch(/^Rank 1 of 2: .*no luck/);
  });

  test("a signal that reaches one rank stops all after the same step", async () => {
    const stop = new AbortController();
    const runs = await Promise.all(
      inProcessPeers(2).map(async (peers) => {
        const signal = peers.rank === 1 ? stop.signal : new AbortController().signal;
        const run = train({
          policy: speller(),
          dataset: fakeDataset(6),
          score: spelling,
          peers,
          signal,
          config,
        });
        for (;;) {
          const { done, value } = await run.next();
          if (done) return value;
          if (peers.rank === 1 && value.step === 2) stop.abort();
        }
      }),
    );
    expect(runs).toEqual([
      { ending: "aborted", step: 2 },
      { ending: "aborted", step: 2 },
    ]);
  });

  test("updates that are not finite numbers are dropped on every rank", async () => {
    const broken = (rank: number): Policy => {
      const policy = speller();
      if (rank === 0) return policy;
      const accumulate: Policy["accumulate"] = async (...args) => ({
        ...(await policy.accumulate(...args)),
        loss: NaN,
      });
      return { ...policy, accumulate };
    };
    const before = await speller().snapshot();
    const runs = await trainOn(inProcessPeers(2), { config: { steps: 2 } }, broken);
    for (const { reports, state } of runs) {
      expect(reports[1]!.notes.join()).toContain("was dropped");
      expect(state["parameters"]).toEqual(before["parameters"]);
    }
  });
});

describe("checkpoints of several ranks", () => {
  const folder = () => mkdtemp(join(tmpdir(), "ranks-"));

  test("any number of ranks resumes any checkpoint; only rank 0 writes", async () => {
    const [whole] = await trainOn([alone]);
    for (const [first, second] of [
      [2, 1],
      [1, 3],
      [3, 2],
    ] as const) {
      const directory = await folder();
      await trainOn(inProcessPeers(first), { directory, config: { steps: 3, checkpointEvery: 1 } });
      const resumed = await trainOn(inProcessPeers(second), { directory, resume: true });
      for (const ran of resumed) {
        expect(ran.reports.map(({ step }) => step)).toEqual([4, 5]);
        expect(ran.state).toEqual(resumed[0]!.state);
        expectClose(ran.state, whole!.state);
      }
    }
  });

  test("a rollback returns every rank to the state that rank 0 reads", async () => {
    const guards = [{ metric: "reward/mean", below: 100, action: "rollback" as const }];
    const directory = await folder();
    const options = { directory, config: { steps: 4, checkpointEvery: 1, guards } };
    const ranks = await trainOn(inProcessPeers(2), options);
    expect(ranks[0]!.reports.some(({ notes }) => notes.join().includes("Rolled back"))).toBe(true);
    expect(ranks[1]!.state).toEqual(ranks[0]!.state);
  });
});

describe("supervised fine-tuning on several ranks", () => {
  test.each([2, 4])("%i ranks learn what one process does", async (size) => {
    const tuned = (all: readonly Peers[]) =>
      Promise.all(
        all.map(async (peers) => {
          const policy = speller();
          const dataset = fakeDataset(6, (index) => "abcabc".slice(index % 3, (index % 3) + 1 + (index % 2)));
          const options = { steps: 4, batchSize: 3, bucketBatches: 2, learningRate: 0.1 };
          await collect(finetune({ policy, dataset, peers, config: options }));
          return policy.snapshot();
        }),
      );
    const [single] = await tuned([alone]);
    const ranks = await tuned(inProcessPeers(size));
    for (const state of ranks) {
      expect(state).toEqual(ranks[0]);
      expectClose(state, single!);
    }
  });
});

test("groups without an owner go, the longest first, to whom has least to do", () => {
  const groups = [1, 5, 2, 4, 3].map((length) => ({
    completions: [{ tokenIds: new Array<number>(length) }],
  }));
  const [two] = inProcessPeers(2);
  expect(sharesOf(groups, two!)).toEqual([
    [0, 1, 2],
    [3, 4],
  ]);
  expect(sharesOf(groups, two!, { get: () => 1 })).toEqual([[], [0, 1, 2, 3, 4]]);
});

test("what ranks share leaves bytes behind, and keeps this rank's own object", async () => {
  const own = { pixels: new Uint8Array(3), n: 1 };
  const all = await Promise.all(inProcessPeers(2).map((peers) => shareResults(peers, async () => own)));
  expect(all[0]![0]).toBe(own);
  expect(all[0]![1]).toEqual({ n: 1 });
});
