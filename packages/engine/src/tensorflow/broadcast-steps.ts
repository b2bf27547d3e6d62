/** TensorFlow's kernels refuse to broadcast over more runs of kept and repeated axes in turn. */
const mostRuns = 5;

/** Shapes on the way from `from` to `to`, the last of them `to`, such that a kernel takes each step. */
export function broadcastSteps(from: readonly number[], to: readonly number[]): number[][] {
  const shape = [...Array.from({ length: to.length - from.length }, () => 1), ...from];
  const isRepeated = (axis: number): boolean => shape[axis] !== to[axis];
  const axes = [...to.keys()].filter((axis) => to[axis] !== 1);
  const runs = axes.filter((axis, i) => i === 0 || isRepeated(axis) !== isRepeated(axes[i - 1]!)).length;
  if (runs <= mostRuns) return [[...to]];
  const steps: number[][] = [];
  for (const axis of axes.filter(isRepeated)) {
    shape[axis] = to[axis]!;
    steps.push([...shape]);
  }
  return steps;
}
