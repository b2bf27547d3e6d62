/** A metric of one group of rows. */
export interface GroupValue<Value> {
  readonly group: string;
  readonly count: number;
  readonly value: Value;
}

/**
 * Breaks any metric down: rows are grouped by `groupOf` (rows where it is undefined are left out) and `metric` is
 * computed on each group. Groups come in order of first appearance.
 */
export function breakDown<Row, Value>(
  rows: readonly Row[],
  groupOf: (row: Row) => string | undefined,
  metric: (rows: readonly Row[]) => Value,
): GroupValue<Value>[] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const group = groupOf(row);
    if (group === undefined) continue;
    const members = groups.get(group);
    if (members) members.push(row);
    else groups.set(group, [row]);
  }
  return [...groups].map(([group, members]) => ({ group, count: members.length, value: metric(members) }));
}
