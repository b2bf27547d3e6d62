import type { DType } from "../engine-types.ts";
import type { GraphNode, RecordedGraph, TensorSpec } from "../graph/node.ts";
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
    if (update?.target.op !== "Input" || sizeOf(update.rows.shape) === 0)
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

/** Writes `rows` into `target` at `starts`, clamped so that they fit, like XLA's dynamic-update-slice. */
export function writeRows<
  T extends { set(source: T, offset: number): void; subarray(from: number, to: number): T },
>(
  target: T,
  shape: readonly number[],
  rows: T,
  rowShape: readonly number[],
  starts: ArrayLike<number>,
): void {
  const at = shape.map((extent, axis) => Math.max(0, Math.min(starts[axis]!, extent - rowShape[axis]!)));
  let inner = shape.length; // axes from here on are contiguous in both
  while (inner > 0 && rowShape[inner - 1] === shape[inner - 1]) inner -= 1;
  const run = sizeOf(rowShape.slice(Math.max(0, inner - 1)));
  const copy = (axis: number, from: number, to: number): void => {
    if (axis >= inner - 1) {
      const start = to + (inner > 0 ? at[inner - 1]! * sizeOf(shape.slice(inner)) : 0);
      target.set(rows.subarray(from, from + run), start);
      return;
    }
    const rowStride = sizeOf(rowShape.slice(axis + 1));
    const targetStride = sizeOf(shape.slice(axis + 1));
    for (let k = 0; k < rowShape[axis]!; k++)
      copy(axis + 1, from + k * rowStride, to + (at[axis]! + k) * targetStride);
  };
  copy(0, 0, 0);
}
