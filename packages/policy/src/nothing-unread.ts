/**
 * What is left of an object after every field was taken out of it. Whoever takes part in the contract ends its destructuring with it, so
 * that a field that is added to the contract later, optional or not, does not compile until each side says what it does with it:
 *
 * ```ts
 * const { groups, totals, temperature, microBatches, rng, ...unread } = batch;
 * unread satisfies NothingUnread;
 * ```
 */
export type NothingUnread = Readonly<Record<string, never>>;
