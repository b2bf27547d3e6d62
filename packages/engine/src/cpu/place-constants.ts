import type { TensorView } from "../device/device.ts";
import { viewBytes } from "../device/view.ts";
import type { Baked } from "../onnx/onnx-model.ts";
import type { ExternalData } from "../onnx/onnx-writer.ts";
import type { ConstantsFolder } from "./constants-folder.ts";
import { narrowPlace } from "./narrow-storage.ts";
import { hostDataOf } from "./run-plan.ts";

/** Baked constants above this total are mapped from a file instead of copied through the model. */
const externalThreshold = 1 << 22;
/** Constants below this go into the model even then. */
const smallConstant = 4096;

/** Where the constants of one program go. */
export interface PlacedConstants {
  readonly baked: ReadonlyMap<number, Baked>;
  /** Constants to be written to a file that only this program maps, and their places there. */
  readonly large: readonly TensorView[];
  readonly places: readonly ExternalData[];
}

/** Decides what goes into the model and what into a file (with `always`, everything). Matrices in few bits lie in files already. */
export function placeConstants(
  constants: ReadonlyMap<number, TensorView>,
  folder: () => ConstantsFolder,
  always: boolean,
): PlacedConstants {
  const baked = new Map<number, Baked>();
  const floats: [index: number, view: TensorView][] = [];
  for (const [index, view] of constants) {
    const place = narrowPlace(view);
    if (place) baked.set(index, place);
    else floats.push([index, view]);
  }
  const isLarge = floats.reduce((sum, [, view]) => sum + viewBytes(view), 0) >= externalThreshold;
  const large = floats.filter(([, view]) => always || (isLarge && viewBytes(view) >= smallConstant));
  const places = large.length === 0 ? [] : folder().reserve(large.map(([, view]) => viewBytes(view)));
  const placeOf = new Map(large.map(([index], i) => [index, places[i] as ExternalData]));
  for (const [index, view] of floats) baked.set(index, placeOf.get(index) ?? { data: hostDataOf(view) });
  return { baked, large: large.map(([, view]) => view), places };
}

/** Whether something can be computed once from constants: matrices in few bits are widened where they are used. */
export function isFoldable(baked: ReadonlyMap<number, Baked>): boolean {
  return [...baked.values()].some((value) => !("codes" in value));
}

/** Whether a model has parts in files. */
export function usesFiles(baked: ReadonlyMap<number, Baked>): boolean {
  return [...baked.values()].some((value) => !("data" in value));
}
