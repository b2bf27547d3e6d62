import { expect, test } from "vitest";
import { alone, inProcessPeers, VlmR1Error, type Peers } from "../src/index.ts";

const pair = () => inProcessPeers(2) as readonly [Peers, Peers];
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (value: string) => new TextEncoder().encode(value);

test("ranks add up, gather, broadcast and meet, call after call", async () => {
  const results = await Promise.all(
    inProcessPeers(3).map(async (peers) => {
      const data = Float32Array.of(peers.rank + 1, 0.1);
      await peers.sum(data);
      const all = await peers.gather(bytes("x".repeat(peers.rank)));
      const first = await peers.broadcast(bytes(`from ${peers.rank}`));
      await peers.barrier();
      return { data: Array.from(data), all: all.map(text), first: text(first) };
    }),
  );
  const tenths = Math.fround(Math.fround(Math.fround(0.1) + Math.fround(0.1)) + Math.fround(0.1));
  for (const result of results)
    expect(result).toEqual({ data: [6, tenths], all: ["", "x", "xx"], first: "from 0" });
});

test("what a rank changes after it said it is not what the others hear", async () => {
  const [first, second] = pair();
  const said = bytes("a");
  const heard = first.gather(said);
  said[0] = 0;
  const all = await second.gather(bytes("b"));
  expect(all.map(text)).toEqual(["a", "b"]);
  expect((await heard).map(text)).toEqual(["a", "b"]);
});

test("different calls, a second call of one rank, and abort reject with a named error", async () => {
  const [a, b] = pair();
  const calls = await Promise.allSettled([a.barrier(), b.gather(bytes(""))]);
  expect(calls.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  await expect(a.barrier()).rejects.toThrow("Ranks make different calls: barrier and gather.");

  const [c, d] = pair();
  const waiting = c.barrier();
  await expect(c.barrier()).rejects.toThrow("second call");
  d.abort(7);
  await expect(waiting).rejects.toThrow("Rank 1 ended the run with code 7.");
  expect(() => inProcessPeers(0)).toThrow(VlmR1Error);
});

test("alone answers at once", async () => {
  const data = Float32Array.of(1);
  await alone.sum(data);
  expect(data[0]).toBe(1);
  expect((await alone.gather(bytes("me"))).map(text)).toEqual(["me"]);
  expect(text(await alone.broadcast(bytes("me")))).toBe("me");
  expect(() => alone.abort(3)).toThrow("code 3");
});
