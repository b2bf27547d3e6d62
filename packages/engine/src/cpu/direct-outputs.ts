import type { TensorView } from "../device/device.ts";
import { coincides, overlaps } from "../device/view.ts";
import { inPlaceProof } from "../graph/in-place.ts";
import type { RecordedGraph } from "../graph/node.ts";
import type { CpuPlan, OutputPlan } from "./cpu-plan.ts";

/** Says for every output of a call whether it may be computed straight into its target. */
export type DirectOutputs = (
  inputs: readonly TensorView[],
  targets: readonly (TensorView | undefined)[],
) => boolean[];

/** Decides by what shares memory in the call and by what the graph proves. */
export function directOutputs(graph: RecordedGraph, plan: CpuPlan): DirectOutputs {
  const prove = inPlaceProof(plan.fetches);
  const known = new Map<string, boolean>();
  const isSafe = (
    output: OutputPlan & { kind: "fetch" },
    target: TensorView,
    inputs: readonly TensorView[],
  ): boolean =>
    inputs.every((input, index) => {
      if (input.storage !== target.storage || !overlaps(input, target)) return true;
      if (!coincides(input, target)) return false;
      const key = `${index}>${output.fetch}`;
      let safe = known.get(key);
      if (safe === undefined)
        known.set(key, (safe = prove(graph.inputs[index]!, plan.fetches[output.fetch]!)));
      return safe;
    });
  return (inputs, targets) => {
    const read = new Set(inputs.map(({ storage }) => storage));
    return plan.outputs.map((output, index) => {
      const target = targets[index];
      if (!target || output.kind !== "fetch") return false;
      return !read.has(target.storage) || isSafe(output, target, inputs);
    });
  };
}
