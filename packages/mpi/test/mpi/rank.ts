/** One rank of the tests: `rank.ts collectives | late | kill | throw | silent | leave-early`. Rank 0 prints what it found. */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { joinRanks } from "../../src/index.ts";

const library = process.env["RANK_LIBRARY"];
const timeout = process.argv[2] === "silent" ? 1 : 60;
const ranks = await joinRanks({ environment: process.env, timeout, ...(library && { library }) });
const { rank, size } = ranks;
const say = (found: object) => rank === 0 && console.log(JSON.stringify(found));
const bytes = (text: string) => new TextEncoder().encode(text);
const texts = (all: readonly Uint8Array[]) => all.map((one) => new TextDecoder().decode(one));

const cases: Record<string, () => Promise<void>> = {
  async collectives() {
    const data = Float32Array.from({ length: 1000 }, (_, i) => (rank + 1) * (i + 0.5));
    await ranks.sum(data);
    const noise = Float32Array.from({ length: 354_096 }, (_, i) => Math.sin(i + rank));
    await ranks.sum(noise);
    const digests = texts(await ranks.gather(bytes(createHash("sha256").update(noise).digest("hex"))));
    const said = texts(await ranks.gather(bytes("x".repeat(rank * 3))));
    const heard = new TextDecoder().decode(await ranks.broadcast(bytes(rank === 0 ? "hello" : "")));
    const nothing = await ranks.broadcast(new Uint8Array());
    await ranks.barrier();
    say({
      sums: data.every((value, i) => value === ((size * (size + 1)) / 2) * (i + 0.5)),
      sameBits: new Set(digests).size === 1,
      said,
      heard,
      nothing: nothing.byteLength,
      size,
      local: [ranks.localRank, ranks.localSize],
      library: ranks.library,
    });
    await ranks.leave();
  },
  /** Rank 0 comes a second late: what do the others burn meanwhile? */
  async late() {
    await ranks.barrier();
    const before = process.cpuUsage();
    if (rank === 0) await sleep(1000);
    await ranks.sum(new Float32Array(43_000));
    const { user, system } = process.cpuUsage(before);
    const used = texts(await ranks.gather(bytes(String((user + system) / 1000))));
    say({ milliseconds: used.slice(1).map(Number) });
    await ranks.leave();
  },
  async kill() {
    await ranks.barrier();
    if (rank === 1) process.kill(process.pid, "SIGKILL");
    await ranks.barrier();
  },
  async throw() {
    await ranks.barrier();
    if (rank === 1) throw new Error("rank 1 has had enough");
    await ranks.barrier();
  },
  /** Rank 1 never comes; the others find out by themselves and end the job. */
  async silent() {
    await ranks.barrier();
    if (rank === 1) await sleep(50_000);
    await ranks.barrier().catch((cause: Error) => {
      console.error(cause.message);
      ranks.abort(7);
    });
  },
};
await cases[process.argv[2]!]!();
