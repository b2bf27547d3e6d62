import { createRng, VlmR1Error, type Dataset } from "@vlmr1/core";
import { expect, test } from "vitest";
import { shuffled, stream } from "../../src/index.ts";
import { refusal } from "../published.ts";

/** Samples that are ready after a moment, and how many were ever being read at once. */
function slow(length: number, bad: readonly number[] = []) {
  const seen = { reading: 0, most: 0, begun: 0 };
  const dataset: Dataset<number> = {
    length,
    async get(index) {
      seen.begun++;
      seen.most = Math.max(seen.most, ++seen.reading);
      await new Promise((ready) => setTimeout(ready, (index * 7) % 5));
      seen.reading--;
      if (bad.includes(index)) throw new VlmR1Error("invalid-data", `sample ${index} is bad`);
      return { id: `${index}`, prompt: "", images: [], target: index };
    },
  };
  return { dataset, seen };
}

async function read(dataset: Dataset<number>, options: Parameters<typeof stream>[1] = {}): Promise<number[]> {
  const targets: number[] = [];
  for await (const { sample } of stream(dataset, options)) targets.push(sample.target);
  return targets;
}

test("gives samples in order, reading no more ahead than asked for", async () => {
  const { dataset, seen } = slow(30);
  expect(await read(dataset, { prefetch: 3 })).toEqual(Array.from({ length: 30 }, (_, index) => index));
  expect(seen.most).toBeLessThanOrEqual(4);
  expect(seen.most).toBeGreaterThan(1);
  const alone = slow(5);
  await read(alone.dataset, { prefetch: 0 });
  expect(alone.seen.most).toBe(1);
});

test("an epoch that was interrupted goes on at the same sample", async () => {
  const { dataset } = slow(20);
  const order = await read(shuffled(dataset, createRng(9)));
  const first: number[] = [];
  let position = 0;
  for await (const { index, sample } of stream(shuffled(dataset, createRng(9)))) {
    first.push(sample.target);
    position = index + 1;
    if (first.length === 7) break;
  }
  const rest = await read(shuffled(dataset, createRng(9)), { start: position });
  expect([...first, ...rest]).toEqual(order);
});

test("ends at a bad sample, or reports it and goes on", async () => {
  const { dataset } = slow(6, [2, 4]);
  expect(await refusal(() => read(dataset))).toMatch(/sample 2 is bad/);
  const skipped: string[] = [];
  const targets = await read(dataset, {
    onBadSample: (error, index) => skipped.push(`${index}: ${error.message}`),
  });
  expect(targets).toEqual([0, 1, 3, 5]);
  expect(skipped).toEqual(["2: sample 2 is bad", "4: sample 4 is bad"]);
});

test("reads nothing more after a break, and an error of a sample nobody waits for ends nothing", async () => {
  const { dataset, seen } = slow(100, [1, 2, 3]);
  for await (const { index } of stream(dataset, { prefetch: 5 })) if (index === 0) break;
  await new Promise((later) => setTimeout(later, 30));
  expect(seen.begun).toBe(6);
});

test("stops when it is told to", async () => {
  const { dataset } = slow(10);
  const controller = new AbortController();
  const run = async (): Promise<void> => {
    for await (const { index } of stream(dataset, { signal: controller.signal }))
      if (index === 3) controller.abort();
  };
  expect(await refusal(run)).toMatch(/^aborted: The stream was stopped before sample 4/);
});

test("refuses a start or a prefetch that cannot be", async () => {
  const { dataset } = slow(3);
  expect(await refusal(() => read(dataset, { start: 4 }))).toMatch(/^invalid-argument: .*0\.\.3/);
  expect(await refusal(() => read(dataset, { prefetch: -1 }))).toMatch(/^invalid-argument/);
  expect(await read(dataset, { start: 3 })).toEqual([]);
});
