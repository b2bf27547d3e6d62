import type { Scene, SceneObject } from "../../src/index.ts";

/**
 * A second, independent reading of what expressions mean, from their words alone: the truth that the tests compare
 * with.
 *
 * Grammar: the [ADJECTIVE] [COLOR] NOUN [from the SIDE] [RELATION the ...].
 */
export function readExpression(text: string, scene: Scene): SceneObject | undefined {
  const gap = 0.08 * Math.min(scene.width, scene.height);
  const [clause, relation, rest] = splitAtRelation(text.replace(/^the /, ""));
  const candidates = scene.objects.filter((object) => fits(object, clause));
  if (relation !== undefined) {
    const anchor = readExpression(rest as string, scene);
    if (!anchor) return undefined;
    return single(candidates.filter((object) => object !== anchor && holds(object, relation, anchor, gap)));
  }
  const ordinal =
    /^(left|right|top|bottom)most /.exec(clause) ??
    /^second .* from the (left|right|top|bottom)$/.exec(clause);
  if (ordinal) {
    const rank = clause.startsWith("second") ? 1 : 0;
    const side = ordinal[1] as string;
    const axis = side === "left" || side === "right" ? 0 : 1;
    const ascending = side === "left" || side === "top";
    const sorted = [...candidates].sort((a, b) => (middle(a)[axis] - middle(b)[axis]) * (ascending ? 1 : -1));
    const clear = sorted.every(
      (o, i) => i === 0 || Math.abs(middle(o)[axis] - middle(sorted[i - 1]!)[axis]) >= gap,
    );
    return clear && sorted.length > rank + 1 ? sorted[rank] : undefined;
  }
  if (/^(largest|smallest) /.test(clause)) {
    const sorted = [...candidates].sort((a, b) => area(b) - area(a));
    if (clause.startsWith("smallest")) sorted.reverse();
    const [first, second] = sorted;
    if (!first || !second) return undefined;
    const ratio = area(first) / area(second);
    return Math.max(ratio, 1 / ratio) > 1.4 ? first : undefined;
  }
  return single(candidates);
}

function splitAtRelation(text: string): [clause: string, relation?: string, rest?: string] {
  const found = /^(.*?) (left of|right of|above|below) the (.*)$/.exec(text);
  return found ? [found[1]!, found[2]!, found[3]!] : [text];
}

function fits(object: SceneObject, clause: string): boolean {
  const words = clause
    .replace(/ from the \w+$/, "")
    .split(" ")
    .filter((word) => !/^(second|largest|smallest|\w+most)$/.test(word));
  const noun = words.pop();
  return (noun === "thing" || noun === object.name) && (words.length === 0 || words[0] === object.color);
}

function holds(object: SceneObject, relation: string, anchor: SceneObject, gap: number): boolean {
  const dx = middle(object)[0] - middle(anchor)[0];
  const dy = middle(object)[1] - middle(anchor)[1];
  switch (relation) {
    case "left of":
      return -dx > gap && -dx > Math.abs(dy);
    case "right of":
      return dx > gap && dx > Math.abs(dy);
    case "above":
      return -dy > gap && -dy > Math.abs(dx);
    default:
      return dy > gap && dy > Math.abs(dx);
  }
}

const middle = ({ box }: SceneObject): [number, number] => [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
const area = ({ box }: SceneObject): number => (box[2] - box[0]) * (box[3] - box[1]);
const single = <T>(items: readonly T[]): T | undefined => (items.length === 1 ? items[0] : undefined);
