/** Tells leaves from branches. */
export type IsLeaf = (value: unknown) => boolean;

function isBranch(value: unknown): value is Record<string, unknown> | readonly unknown[] {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return Array.isArray(value) || prototype === Object.prototype || prototype === null;
}

/** Visits the leaves of a tree of arrays and plain objects in order, with their paths such as `layers[3].weight`. */
export function visitLeaves(
  tree: unknown,
  isLeaf: IsLeaf,
  visit: (leaf: unknown, path: string) => void,
  path = "",
): void {
  if (isLeaf(tree)) visit(tree, path);
  else if (Array.isArray(tree))
    tree.forEach((item, index) => visitLeaves(item, isLeaf, visit, `${path}[${index}]`));
  else if (isBranch(tree)) {
    for (const [key, item] of Object.entries(tree))
      visitLeaves(item, isLeaf, visit, path === "" ? key : `${path}.${key}`);
  } else if (tree !== undefined && tree !== null) visit(tree, path);
}

/** A tree of the same structure with `map` applied to every leaf. `undefined` and `null` stay as they are. */
export function mapLeaves(
  tree: unknown,
  isLeaf: IsLeaf,
  map: (leaf: unknown, path: string) => unknown,
  path = "",
): unknown {
  if (isLeaf(tree)) return map(tree, path);
  if (Array.isArray(tree))
    return tree.map((item, index) => mapLeaves(item, isLeaf, map, `${path}[${index}]`));
  if (isBranch(tree)) {
    return Object.fromEntries(
      Object.entries(tree).map(([key, item]) => [
        key,
        mapLeaves(item, isLeaf, map, path === "" ? key : `${path}.${key}`),
      ]),
    );
  }
  return tree === undefined || tree === null ? tree : map(tree, path);
}
