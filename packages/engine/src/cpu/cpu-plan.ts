import type { DType, HostData } from "../engine-types.ts";
import { isNarrow, type GraphNode, type RecordedGraph, type TensorSpec } from "../graph/node.ts";
import { sizeOf } from "../host-data.ts";

/** Where the start of a slice update comes from. */
export type StartSource = { readonly input: number } | { readonly fetch: number };

/** How one result of the function is obtained from the results of the model. */
export type OutputPlan =
  | ({ readonly kind: "empty" } & TensorSpec)
  | ({ readonly kind: "fetch"; readonly fetch: number } & TensorSpec)
  /** The model computes the new rows only; they are written into the target after the run. */
  | ({
      readonly kind: "update";
      readonly target: number;
      readonly rows: number;
      readonly rowShape: readonly number[];
      readonly starts: StartSource;
    } & TensorSpec);

/** What the model computes and how the results of the function follow from it. */
export interface CpuPlan {
  /** Outputs of the model. */
  readonly fetches: readonly GraphNode[];
  readonly outputs: readonly OutputPlan[];
}

/** Turns slice updates of inputs into fetches of rows, so that a cache is never copied. */
export function planOutputs(graph: RecordedGraph): CpuPlan {
  const fetches: GraphNode[] = [];
  // A node that is two results is fetched twice: results never share memory.
  const fetch = (node: GraphNode): number => fetches.push(node) - 1;
  const outputs = graph.outputs.map((output): OutputPlan => {
    const spec: { shape: readonly number[]; dtype: DType } = { shape: output.shape, dtype: output.dtype };
    if (sizeOf(output.shape) === 0) return { kind: "empty", ...spec };
    const update = graph.updates.get(output);
    if (update?.target.op !== "Input" || isNarrow(update.target) || sizeOf(update.rows.shape) === 0)
      return { kind: "fetch", fetch: fetch(output), ...spec };
    const starts =
      update.starts.op === "Input"
        ? { input: graph.inputs.indexOf(update.starts) }
        : { fetch: fetch(update.starts) };
    return {
      kind: "update",
      target: graph.inputs.indexOf(update.target),
      rows: fetch(update.rows),
      rowShape: update.rows.shape,
      starts,
      ...spec,
    };
  });
  return { fetches, outputs };
}

/** Runs up to this many elements are copied one by one, which is faster than making two views of them. */
const shortRun = 128;

/** Writes `rows` into `target` at `starts`, clamped so that they fit, like XLA's dynamic-update-slice. */
export function writeRows(
  target: HostData,
  shape: readonly number[],
  rows: HostData,
  rowShape: readonly number[],
  starts: ArrayLike<number>,
): void {
  const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  let outer = shape.length; // axes from here on are contiguous in both, the one before still is within a row
  while (outer > 0 && rowShape[outer - 1] === shape[outer - 1]) outer -= 1;
  outer = Math.max(0, outer - 1);
  const run = sizeOf(rowShape.slice(outer));
  const index = Array<number>(outer).fill(0);
  let place = 0;
  for (let axis = 0; axis < shape.length; axis++) {
    place += Math.max(0, Math.min(starts[axis]!, shape[axis]! - rowShape[axis]!)) * strides[axis]!;
  }
  for (let from = 0; from < rows.length; from += run) {
    if (run > shortRun) target.set(rows.subarray(from, from + run), place);
    else for (let k = 0; k < run; k++) target[place + k] = rows[from + k]!;
    for (let axis = outer - 1; axis >= 0; axis--) {
      place += strides[axis]!;
      index[axis]! += 1;
      if (index[axis]! < rowShape[axis]!) break;
      place -= strides[axis]! * rowShape[axis]!;
      index[axis] = 0;
    }
  }
}
