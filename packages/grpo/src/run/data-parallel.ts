import type { Peers } from "@vlmr1/core";
import type { AccumulateReport, Policy } from "@vlmr1/policy";
import { shareResults, sharesOf, tokensOf, type Owners } from "./ranks.ts";

/** One rank's part of a table [groups][completions][tokens], with the places of its groups. JSON writes null for NaN. */
type Rows = readonly (readonly [group: number, rows: readonly (readonly (number | null)[])[]])[];

function rowsOf(share: readonly number[], tables: readonly (readonly Float32Array[])[]): Rows {
  return share.map((g, i) => [g, tables[i]!.map((row) => Array.from(row))]);
}

function mergeRows(parts: readonly Rows[]): Float32Array[][] {
  const table: Float32Array[][] = [];
  for (const [g, rows] of parts.flat())
    table[g] = rows.map((row) => Float32Array.from(row, (value) => value ?? NaN));
  return table;
}

/** What one rank measured on its share of a micro-batch. */
interface SharedReport {
  readonly tokens: number;
  readonly loss: number | null;
  readonly metrics: Readonly<Record<string, number | null>>;
  readonly logProbs: Rows;
  readonly entropies?: Rows;
}

/**
 * A policy whose gradient and log-probabilities are computed by all ranks together. It is called with whole batches, on every rank
 * alike, and answers with whole results; the gradient is added up over the ranks before its norm is taken. So the numbers are those of
 * one process, up to the order of that sum. `complete` is left alone: who asks cuts the prompts.
 *
 * What is taken per micro-batch is taken per rank's share of one: BNPO's mean, the quantile of a top-entropy mask, dropout's noise.
 *
 * @throws VlmR1Error the error of whichever rank failed, on every rank.
 */
export function dataParallel(policy: Policy, peers: Peers, owners: Owners): Policy {
  if (peers.size === 1) return policy;
  const scored =
    (score: Policy["logProbs"]): Policy["logProbs"] =>
    async (groups, options) => {
      const share = sharesOf(groups, peers, owners)[peers.rank]!;
      const own = async () => {
        const mine = share.map((g) => groups[g]!);
        return mine.length === 0 ? [] : rowsOf(share, await score(mine, options));
      };
      return mergeRows(await shareResults(peers, own));
    };
  return {
    ...policy,
    logProbs: scored(policy.logProbs),
    referenceLogProbs: scored(policy.referenceLogProbs),
    async accumulate(batch, loss) {
      const shares = sharesOf(batch.groups, peers, owners);
      const working = shares.filter((share) => share.length > 0).length;
      const share = shares[peers.rank]!;
      const own = async (): Promise<SharedReport | null> => {
        const groups = share.map((g) => batch.groups[g]!);
        if (groups.length === 0) return null;
        const microBatches = batch.microBatches * working;
        const rng = batch.rng.fork(`rank-${peers.rank}`);
        const {
          loss: part,
          metrics,
          logProbs,
          entropies,
        } = await policy.accumulate({ ...batch, groups, microBatches, rng }, loss);
        return {
          tokens: groups.reduce((sum, group) => sum + tokensOf(group), 0),
          loss: part,
          metrics,
          logProbs: rowsOf(share, logProbs),
          ...(entropies && { entropies: rowsOf(share, entropies) }),
        };
      };
      const parts = await shareResults(peers, own);
      return mergeReports(parts.filter((part) => part !== null));
    },
    apply: (optimizer, options) =>
      policy.apply(optimizer, { ...options, combineGradient: (gradient) => peers.sum(gradient) }),
  };
}

function mergeReports(parts: readonly SharedReport[]): AccumulateReport {
  const tokens = parts.reduce((sum, part) => sum + part.tokens, 0) || 1;
  const average = (name: string): number =>
    parts.reduce((sum, part) => sum + ((part.metrics[name] ?? NaN) * part.tokens) / tokens, 0);
  const entropies = parts.map((part) => part.entropies).filter((rows) => rows !== undefined);
  return {
    loss: parts.reduce((sum, part) => sum + (part.loss ?? NaN), 0),
    metrics: Object.fromEntries(Object.keys(parts[0]?.metrics ?? {}).map((name) => [name, average(name)])),
    logProbs: mergeRows(parts.map((part) => part.logProbs)),
    ...(entropies.length > 0 && { entropies: mergeRows(entropies) }),
  };
}
