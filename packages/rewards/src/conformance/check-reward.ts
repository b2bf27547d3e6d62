import { createRng, VlmR1Error, type RewardFunction, type ScoredSample } from "@vlmr1/core";
import { hostileCompletions } from "./hostile.ts";
import { randomCompletions } from "./random.ts";

/** What a reward promises. */
export interface RewardContract<Target> {
  /** A sample with a target that the reward can read. */
  readonly sample: ScoredSample<Target>;
  /** The documented range, both ends included. */
  readonly range: readonly [low: number, high: number];
  /**
   * A completion that should earn more than, or as much as, every hostile one; its value is checked against
   * them when given.
   */
  readonly good?: string;
  /** Milliseconds that one completion may take. Default 100. */
  readonly milliseconds?: number;
  /** Length of the long hostile completions, in UTF-16 units. Default 1 000 000. */
  readonly size?: number;
  /** How many random completions are tried. Default 1000. */
  readonly random?: number;
}

/**
 * The exam of a reward. Over hostile and random completions it must return a finite number in its range,
 * the same twice, in time linear in the text (measured: each within `milliseconds`), without changing the
 * sample; throw nothing; and pay nothing hostile more than a good answer.
 *
 * @throws VlmR1Error `reward-failed`: what the reward did, on which completion.
 */
export async function checkReward<Target>(
  reward: RewardFunction<Target>,
  contract: RewardContract<Target>,
): Promise<void> {
  const { sample, milliseconds = 100, size = 1_000_000, random = 1000 } = contract;
  const before = JSON.stringify(sample);
  const good =
    contract.good === undefined ? Infinity : await valueOf(reward, contract, "the good one", contract.good);
  for (const { name, text } of hostileCompletions({ size })) {
    const [value, elapsed] = await timed(() => valueOf(reward, contract, name, text));
    if (elapsed > milliseconds) {
      // A pause of the machine is not the reward's fault: only what is slow every time is slow.
      const again = [
        await timed(() => valueOf(reward, contract, name, text)),
        await timed(() => valueOf(reward, contract, name, text)),
      ];
      const best = Math.min(elapsed, ...again.map(([, time]) => time));
      if (best > milliseconds) {
        throw failed(
          name,
          text,
          `took ${best.toFixed(0)} ms for ${text.length} characters, more than ${milliseconds} ms`,
        );
      }
    }
    if (value > good) throw failed(name, text, `earned ${value}, more than the good completion's ${good}`);
    if (text.length < 10_000) await checkRepeat(reward, contract, name, text, value);
  }
  const completions = randomCompletions(createRng(20_250_410).fork("check-reward"));
  for (let i = 0; i < random; i++) {
    const text = completions.next().value as string;
    const value = await valueOf(reward, contract, `random completion ${i}`, text);
    if (i % 16 === 0) await checkRepeat(reward, contract, `random completion ${i}`, text, value);
  }
  if (JSON.stringify(sample) !== before) {
    throw new VlmR1Error(
      "reward-failed",
      `The reward changed its sample "${sample.id}": samples are shared and read-only.`,
    );
  }
}

async function valueOf<Target>(
  reward: RewardFunction<Target>,
  { sample, range }: RewardContract<Target>,
  name: string,
  completion: string,
): Promise<number> {
  let value: unknown;
  try {
    value = await reward({ completion, sample });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw failed(
      name,
      completion,
      `threw "${reason}": what a model writes must score low, never throw`,
      cause,
    );
  }
  if (typeof value !== "number" || !Number.isFinite(value)) {
    throw failed(name, completion, `returned ${String(value)}: a reward is a finite number`);
  }
  if (value >= range[0] - 1e-12 && value <= range[1] + 1e-12) return value;
  throw failed(name, completion, `returned ${value}, outside its range ${range[0]}..${range[1]}`);
}

async function checkRepeat<Target>(
  reward: RewardFunction<Target>,
  contract: RewardContract<Target>,
  name: string,
  text: string,
  value: number,
): Promise<void> {
  const again = await valueOf(reward, contract, name, text);
  if (again !== value)
    throw failed(name, text, `returned ${value}, then ${again}: a reward must be deterministic`);
}

async function timed<T>(run: () => Promise<T>): Promise<readonly [value: T, milliseconds: number]> {
  const start = performance.now();
  const before = process.cpuUsage();
  const value = await run();
  const { user, system } = process.cpuUsage(before);
  // On a busy machine the wall clock counts other programs too.
  return [value, Math.min(performance.now() - start, (user + system) / 1000)];
}

function failed(name: string, completion: string, problem: string, cause?: unknown): VlmR1Error {
  const shown = JSON.stringify(completion.length > 120 ? `${completion.slice(0, 120)}…` : completion);
  return new VlmR1Error("reward-failed", `On ${name} (${shown}) the reward ${problem}.`, { cause });
}
