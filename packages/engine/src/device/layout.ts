import type { DType } from "../engine-types.ts";
import type { RecordedGraph } from "../graph/node.ts";
import { sizeOf } from "../host-data.ts";
import type { Storage, TensorView } from "./device.ts";

/** A part of a stored row: which row, and from which element on. */
export interface RowPart {
  readonly row: number;
  readonly offset: number;
}

/** Where inputs lie and where outputs go, for devices whose programs take and give whole rows. */
export interface Layout {
  /** The rows of a call. */
  readonly rows: readonly { readonly dtype: DType; readonly length: number }[];
  readonly inputs: readonly RowPart[];
  /** Per output: undefined for new memory. */
  readonly targets: readonly (RowPart | undefined)[];
}

/** The layout of a call, the storages that its rows are, and a key that is equal for equal layouts. */
export function layoutOf(
  inputs: readonly TensorView[],
  targets: readonly (TensorView | undefined)[],
): { layout: Layout; storages: Storage[]; key: string } {
  const storages: Storage[] = [];
  const known = new Map<Storage, number>();
  const place = (view: TensorView): RowPart => {
    let row = known.get(view.storage);
    if (row === undefined) known.set(view.storage, (row = storages.push(view.storage) - 1));
    return { row, offset: view.offset };
  };
  const layout: Layout = {
    inputs: inputs.map(place),
    targets: targets.map((target) => (target ? place(target) : undefined)),
    rows: storages.map(({ dtype, length }) => ({ dtype, length })),
  };
  const key = [
    ...layout.inputs.map(({ row, offset }) => `${row}+${offset}`),
    ">",
    ...layout.targets.map((target) => (target ? `${target.row}+${target.offset}` : "-")),
    ">",
    ...storages.map(({ length }) => length),
  ].join(" ");
  return { layout, storages, key };
}

/** Rows that outputs are written into. */
export function targetRows({ targets }: Layout): number[] {
  return [...new Set(targets.flatMap((target) => (target ? [target.row] : [])))];
}

/** Parts of a row that outputs fill, in order. */
export function outputParts(
  { outputs }: RecordedGraph,
  { targets }: Layout,
  row: number,
): { output: number; offset: number; size: number }[] {
  return targets
    .flatMap((target, output) =>
      target?.row === row ? [{ output, offset: target.offset, size: sizeOf(outputs[output]!.shape) }] : [],
    )
    .sort((a, b) => a.offset - b.offset);
}
