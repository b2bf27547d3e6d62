import { VlmR1Error, type Sample } from "@vlmr1/core";
import type { Policy, TrainingGroup } from "../policy.ts";
import {
  applyUpdate,
  ask,
  batchOf,
  brokenLoss,
  copyOf,
  differingArray,
  examLoss,
  groupsOf,
  TEMPERATURE,
  tokenDistance,
  updateDistance,
  updateFromStart,
  type Sitting,
} from "./exam.ts";

/** What a policy is examined on. */
export interface PolicyExam {
  /** Two or more samples with different prompts that the policy can answer. */
  readonly samples: readonly Sample[];
  /** Longest completion. Default 6; 2 or more, or padding is not examined. */
  readonly maxNewTokens?: number;
  /** Largest difference of log-probabilities, in nats, and of updates, as a share of the update. Default 1e-3, for float32. */
  readonly tolerance?: number;
  /** Rules that do not hold by design; say why where you write them. */
  readonly except?: readonly PolicyRule[];
}

/** A rule finds nothing, or says what it found. */
type Rule = (sitting: Sitting) => Promise<string | undefined>;

const rules = {
  "complete keeps its contract": checkCompletions,
  "snapshot and restore, bit for bit": checkSnapshot,
  "cached = uncached": checkCache,
  "padding changes nothing": checkPadding,
  "the loss sees all of the batch": checkLossInputs,
  "accumulate twice = once over both": checkAccumulation,
  "discard forgets the gradient": checkDiscard,
  "what is not finite is never applied": checkNonFinite,
  "gradients of other processes are added": checkCombination,
  "the reference moves only when it is synced": checkReference,
} satisfies Record<string, Rule>;

/** A rule of the exam, by the sentence that its error names. */
export type PolicyRule = keyof typeof rules;

/** The rules in the order of the exam. */
export const policyRules = Object.keys(rules) as readonly PolicyRule[];

/**
 * The exam of a policy: the rules of its contract, each on a loss and an optimizer that are the exam's own. The policy ends in the state
 * that it began in. Dropout must be off: it makes two updates differ by design.
 *
 * @throws VlmR1Error `policy-failed`: the rule that is broken, and how.
 */
export async function checkPolicy(
  policy: Policy,
  { samples, maxNewTokens = 6, tolerance = 1e-3, except = [] }: PolicyExam,
): Promise<void> {
  if (new Set(samples.map(({ prompt }) => prompt)).size < 2) {
    throw new VlmR1Error(
      "invalid-argument",
      "checkPolicy needs at least two samples with different prompts.",
    );
  }
  const first = copyOf(await policy.snapshot());
  const groups = groupsOf(samples, await ask({ policy, samples, maxNewTokens }, { seed: 1 }));
  await policy.accumulate(batchOf(groups), examLoss);
  await applyUpdate(policy, 0);
  const sitting: Sitting = {
    policy,
    samples,
    maxNewTokens,
    tolerance,
    groups,
    start: copyOf(await policy.snapshot()),
  };
  for (const [name, rule] of Object.entries(rules) as [PolicyRule, Rule][]) {
    if (except.includes(name)) continue;
    await policy.restore(sitting.start);
    const problem = await rule(sitting).catch((cause: unknown) => `it threw ${String(cause)}`);
    if (problem !== undefined) {
      throw new VlmR1Error("policy-failed", `The policy breaks the rule "${name}": ${problem}.`);
    }
  }
  await policy.restore(first);
}

async function checkCompletions(sitting: Sitting): Promise<string | undefined> {
  const { samples, maxNewTokens } = sitting;
  const completions = await ask(sitting, { seed: 2 });
  if (completions.length !== samples.length || completions.some(({ length }) => length !== 3)) {
    return `${samples.length} samples and a count of 3 gave groups of ${completions.map(({ length }) => length).join(", ")}`;
  }
  for (const { tokenIds, logProbs, finishReason } of completions.flat()) {
    if (tokenIds.length === 0) return "a completion has no tokens, not even the one that ends it";
    if (tokenIds.length > maxNewTokens)
      return `${tokenIds.length} tokens, more than maxNewTokens ${maxNewTokens}`;
    if (logProbs.length !== tokenIds.length)
      return `${tokenIds.length} tokens but ${logProbs.length} log-probabilities`;
    const wrong = logProbs.find((value) => !(value <= 1e-6 && value > -Infinity));
    if (wrong !== undefined) return `a log-probability is ${wrong}`;
    if (finishReason === "aborted") return "a completion was aborted, and nobody asked for it";
  }
  const again = await ask(sitting, { seed: 2 });
  const texts = (groups: typeof again) =>
    JSON.stringify(groups.map((group) => group.map(({ text }) => text)));
  return texts(again) === texts(completions) ? undefined : "the same generator gave another text";
}

async function checkSnapshot(sitting: Sitting): Promise<string | undefined> {
  const { policy, groups, start } = sitting;
  const twoUpdates = async (): Promise<Awaited<ReturnType<Policy["snapshot"]>>> => {
    for (const step of [1, 2]) {
      await policy.accumulate(batchOf(groups), examLoss);
      await applyUpdate(policy, step);
    }
    return policy.snapshot();
  };
  const taken = await policy.snapshot();
  const changed = differingArray(taken, start);
  if (changed) return `after restore, ${changed} is not what was restored`;
  const end = copyOf(await twoUpdates());
  const shared = differingArray(taken, start);
  if (shared) return `an update changed ${shared} inside an earlier snapshot`;
  await policy.restore(taken);
  const again = differingArray(await twoUpdates(), end);
  if (again) return `two updates from a restored snapshot end with another ${again}`;
  for (const wrong of [
    {},
    Object.fromEntries(Object.keys(start).map((name) => [name, new Float32Array(1)])),
  ]) {
    const isRefused = await policy.restore(wrong).then(
      () => false,
      (cause: unknown) => VlmR1Error.is(cause, "invalid-data"),
    );
    if (!isRefused) return "restore took a state of other names or sizes, and did not throw invalid-data";
    if (differingArray(await policy.snapshot(), end)) return "restore refused a state and changed something";
  }
  return undefined;
}

async function checkCache(sitting: Sitting): Promise<string | undefined> {
  const { policy, samples, start, tolerance } = sitting;
  const completions = await ask(sitting, { seed: 3, forTraining: true });
  const groups = groupsOf(samples, completions, false);
  const { logProbs } = await policy.accumulate(batchOf(groups), examLoss);
  const { gradientNorm } = await applyUpdate(policy);
  const kept = await policy.snapshot();
  await policy.restore(start);
  const computed = await policy.logProbs(groups, { temperature: TEMPERATURE });
  const gap = tokenDistance(
    completions.map((group) => group.map((completion) => completion.logProbs)),
    computed,
  );
  if (gap > tolerance) return `sampling and logProbs differ by ${gap} nats`;
  const trained = tokenDistance(logProbs, computed);
  if (trained > tolerance) return `accumulate and logProbs differ by ${trained} nats`;
  const fresh = await updateFromStart(sitting, [groups]);
  const distance = updateDistance(fresh.state, kept, start);
  if (!(distance <= tolerance)) {
    return `an update right after sampling (norm ${gradientNorm}) is not the one without it (norm ${fresh.gradientNorm})`;
  }
  return undefined;
}

async function checkPadding({ policy, groups, tolerance }: Sitting): Promise<string | undefined> {
  const options = { temperature: TEMPERATURE };
  const together = await policy.logProbs(groups, options);
  const alone: (readonly Float32Array[])[] = [];
  for (const { sample, completions } of groups) {
    const rows: Float32Array[] = [];
    for (const completion of completions) {
      const [row] = await policy.logProbs([{ sample, completions: [completion] }], options);
      rows.push(row?.[0] ?? new Float32Array());
    }
    alone.push(rows);
  }
  const gap = tokenDistance(together, alone);
  return gap > tolerance
    ? `log-probabilities of a batch and of its completions alone differ by ${gap} nats`
    : undefined;
}

async function checkLossInputs(sitting: Sitting): Promise<string | undefined> {
  const { policy, tolerance } = sitting;
  // Made-up numbers, another one for each field, group, completion and token.
  const rows = (scale: number) => (group: TrainingGroup, g: number) =>
    group.completions.map(({ tokenIds }, i) => tokenIds.map((_, t) => -scale * (1 + t + 3 * i + 7 * g)));
  const groups = sitting.groups.map((group, g) => ({
    ...group,
    oldLogProbs: rows(0.01)(group, g),
    referenceLogProbs: rows(0.02)(group, g),
    samplerLogProbs: rows(0.03)(group, g),
    tokenMasks: group.completions.map(({ tokenIds }, i) =>
      tokenIds.map((_, t) => (t === 0 || i === 1 ? 1 : 0)),
    ),
  }));
  const batch = batchOf(groups, groups, 5);
  const { metrics, entropies } = await policy.accumulate(batch, examLoss);
  policy.discard();
  const masks = groups.flatMap(({ tokenMasks }) => tokenMasks);
  const sum = (values: readonly (readonly number[])[]): number =>
    values.reduce(
      (all, row, b) => row.reduce((part, value, t) => part + value * (masks[b]?.[t] ?? 0), all),
      0,
    );
  const expected = {
    mask: sum(masks.map((row) => row.map(() => 1))),
    advantages: sum(
      groups.flatMap(({ advantages }) => advantages).map((value, b) => (masks[b] ?? []).map(() => value)),
    ),
    oldLogProbs: sum(groups.flatMap((group) => group.oldLogProbs)),
    referenceLogProbs: sum(groups.flatMap((group) => group.referenceLogProbs)),
    samplerLogProbs: sum(groups.flatMap((group) => group.samplerLogProbs)),
    completions: batch.totals.completions,
    tokens: batch.totals.tokens,
    maxNewTokens: batch.totals.maxNewTokens,
    microBatches: 5,
  };
  for (const [name, value] of Object.entries(expected)) {
    const seen = metrics[name];
    if (seen === undefined || !(Math.abs(seen - value) <= tolerance * Math.max(1, Math.abs(value)))) {
      return `the loss saw ${name} of ${seen} in all, not ${value}`;
    }
  }
  const shapes = (entropies ?? []).map((group) => group.map(({ length }) => length));
  const wanted = groups.map(({ completions }) => completions.map(({ tokenIds }) => tokenIds.length));
  if (JSON.stringify(shapes) !== JSON.stringify(wanted))
    return "the loss needs entropies and the report has not one per token";
  return undefined;
}

async function checkAccumulation(sitting: Sitting): Promise<string | undefined> {
  const { groups, start, tolerance } = sitting;
  const once = await updateFromStart(sitting, [groups]);
  const singly = groups.flatMap(({ sample, completions, advantages }) =>
    completions.map((completion, i) => ({
      sample,
      completions: [completion],
      advantages: [advantages[i] as number],
    })),
  );
  for (const cut of [groups.map((group) => [group]), [singly.slice(0, 2), singly.slice(2)]]) {
    const parts = await updateFromStart(sitting, cut);
    if (!(Math.abs(parts.loss - once.loss) <= tolerance * Math.max(1, Math.abs(once.loss)))) {
      return `the losses of ${cut.length} micro-batches add up to ${parts.loss}, one over all is ${once.loss}`;
    }
    if (!(Math.abs(parts.gradientNorm / once.gradientNorm - 1) <= tolerance)) {
      return `the gradient's norm is ${parts.gradientNorm} in ${cut.length} micro-batches and ${once.gradientNorm} at once`;
    }
    const distance = updateDistance(once.state, parts.state, start);
    if (Number.isNaN(distance)) return "an update moved nothing";
    if (distance > tolerance) return `the updates differ by ${(100 * distance).toPrecision(3)} %`;
  }
  return undefined;
}

async function checkDiscard(sitting: Sitting): Promise<string | undefined> {
  const { policy, groups, start } = sitting;
  const [first, second] = [groups.slice(0, 1), groups.slice(1)];
  const plain = await updateFromStart(sitting, [second]);
  await policy.restore(start);
  await policy.accumulate(batchOf(first), examLoss);
  policy.discard();
  await policy.accumulate(batchOf(second), examLoss);
  await applyUpdate(policy);
  if (differingArray(await policy.snapshot(), plain.state))
    return "an update after it has something of what was discarded";
  await policy.accumulate(batchOf(first), examLoss);
  policy.discard();
  const isRefused = await applyUpdate(policy).then(
    () => false,
    (cause: unknown) => VlmR1Error.is(cause, "invalid-argument"),
  );
  return isRefused ? undefined : "apply without a gradient did not throw invalid-argument";
}

async function checkNonFinite(sitting: Sitting): Promise<string | undefined> {
  const { policy, groups, start } = sitting;
  const plain = await updateFromStart(sitting, [groups]);
  for (const value of [NaN, Infinity]) {
    await policy.restore(start);
    const broken = groups.map((group) => ({
      ...group,
      advantages: group.advantages.map((one, i) => (i === 0 ? value : one)),
    }));
    await policy.accumulate(batchOf(broken), examLoss);
    const { applied } = await applyUpdate(policy);
    const changed = differingArray(await policy.snapshot(), start);
    if (applied || changed)
      return `with an advantage of ${value}, applied is ${applied} and ${changed ?? "nothing"} changed`;
    await policy.accumulate(batchOf(groups), examLoss);
    await applyUpdate(policy);
    if (differingArray(await policy.snapshot(), plain.state))
      return "the update after a dropped one is another";
  }
  await policy.restore(start);
  const { loss } = await policy.accumulate(batchOf(groups), brokenLoss);
  if (Number.isFinite(loss)) return undefined; // the policy has a loss of its own: "the loss sees all of the batch" says so
  let offered: Float32Array | undefined;
  const { applied } = await applyUpdate(policy, 1, async (gradient) => void (offered = gradient.slice()));
  if (applied) return `an update was applied whose loss is ${loss}`;
  return offered?.some(Number.isNaN)
    ? undefined
    : "other processes were offered the gradient of a loss that is not finite";
}

async function checkCombination(sitting: Sitting): Promise<string | undefined> {
  const { policy, groups, start, tolerance } = sitting;
  const plain = await updateFromStart(sitting, [groups]);
  let seen: Float32Array | undefined;
  await policy.restore(start);
  await policy.accumulate(batchOf(groups), examLoss);
  const doubled = await applyUpdate(policy, 1, async (gradient) => {
    seen = gradient.slice();
    gradient.forEach((value, i) => (gradient[i] = 2 * value));
  });
  if (!(Math.abs(doubled.gradientNorm / plain.gradientNorm - 2) <= tolerance)) {
    return `the norm of a doubled gradient is ${doubled.gradientNorm}, that of the gradient ${plain.gradientNorm}`;
  }
  await policy.restore(start);
  let isZero = true;
  await applyUpdate(policy, 1, async (gradient) => {
    isZero = gradient.length === seen?.length && gradient.every((value) => value === 0);
    if (seen && isZero) gradient.set(seen);
  });
  if (!isZero) return "a policy that accumulated nothing did not offer zeros";
  const distance = updateDistance(plain.state, await policy.snapshot(), start);
  return distance <= tolerance ? undefined : "the whole gradient of another process gave another update";
}

async function checkReference({ policy, groups, start, tolerance }: Sitting): Promise<string | undefined> {
  const options = { temperature: TEMPERATURE };
  const update = async (): Promise<void> => {
    await policy.accumulate(batchOf(groups), examLoss);
    await applyUpdate(policy);
  };
  const first = await policy.referenceLogProbs(groups, options);
  await update();
  const still = tokenDistance(first, await policy.referenceLogProbs(groups, options));
  if (still > tolerance) return `an update moved the reference by ${still} nats`;
  const current = await policy.logProbs(groups, options);
  if (tokenDistance(first, current) === 0) return "the reference follows every update";
  await policy.syncReference(1);
  const synced = await policy.referenceLogProbs(groups, options);
  const gap = tokenDistance(synced, current);
  if (gap > tolerance) return `after syncReference(1) the reference is ${gap} nats away from the policy`;
  const state = copyOf(await policy.snapshot());
  await update();
  await policy.syncReference(1);
  await policy.restore(state);
  if (tokenDistance(synced, await policy.referenceLogProbs(groups, options)) !== 0) {
    return "restore did not bring back the reference of the snapshot";
  }
  await policy.restore(start);
  const back = tokenDistance(first, await policy.referenceLogProbs(groups, options));
  return back > tolerance
    ? `restoring a snapshot from before the sync left the reference ${back} nats away`
    : undefined;
}
