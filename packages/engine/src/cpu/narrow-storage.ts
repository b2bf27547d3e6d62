import type { Storage, TensorView } from "../device/device.ts";
import { widen, type Narrow, type NarrowBlocks } from "../precision.ts";
import type { NarrowPlace } from "../onnx/narrow-product.ts";
import type { ExternalData } from "../onnx/onnx-writer.ts";
import { createConstantsFolder, writeConstants, type ConstantsFolder } from "./constants-folder.ts";

/** A matrix in 8 or 4 bits, in a file that programs map: no program needs a copy, and none of it counts as memory of this process. */
export interface NarrowStorage extends Storage {
  readonly place: NarrowPlace;
}

/** The files of a device's matrices in 8 and 4 bits. */
export interface NarrowFiles {
  /** The folder of the device; made when it is first needed. */
  folder(): ConstantsFolder;
  store(stored: Narrow): Storage | undefined;
  /** The elements, widened; undefined for a view of something else. */
  read(view: TensorView): Promise<Float32Array> | undefined;
  /** Whether the storage was one of these. */
  free(storage: Storage): boolean;
  dispose(): void;
}

/** Where the elements of a view lie if they are stored in 8 or 4 bits. */
export function narrowPlace({ storage }: TensorView): NarrowPlace | undefined {
  return isNarrowStorage(storage) ? storage.place : undefined;
}

function isNarrowStorage(storage: Storage): storage is NarrowStorage {
  return "place" in storage;
}

/** A device's files, none so far. */
export function narrowFiles(): NarrowFiles {
  let made: ConstantsFolder | undefined;
  const folder = (): ConstantsFolder => (made ??= createConstantsFolder());
  const abandoned = new FinalizationRegistry<string>((file) => made?.remove(file));
  return {
    folder,
    store(stored) {
      if (stored.precision === "bfloat16") return undefined;
      const storage = write(folder(), stored);
      abandoned.register(storage, storage.place.codes.location, storage);
      return storage;
    },
    read(view) {
      const place = narrowPlace(view);
      return place && read(folder(), place);
    },
    free(storage) {
      if (!isNarrowStorage(storage)) return false;
      abandoned.unregister(storage);
      made?.remove(storage.place.codes.location);
      return true;
    },
    dispose() {
      made?.dispose();
      made = undefined;
    },
  };
}

function write(folder: ConstantsFolder, { precision, shape, codes, scales }: NarrowBlocks): NarrowStorage {
  const zeros =
    precision === "int8"
      ? new Uint8Array(scales.length).fill(128)
      : new Uint8Array(Math.ceil(scales.length / 2)).fill(0x88);
  const parts = [codes, scales, zeros];
  const places = folder.reserve(parts.map(({ byteLength }) => byteLength));
  writeConstants(folder.path, places, parts);
  const [first, second, third] = places as [ExternalData, ExternalData, ExternalData];
  const place = { precision, shape, codes: first, scales: second, zeros: third };
  const length = shape[0] * shape[1];
  return { dtype: "float32", length, precision, builtIn: true, references: 0, place };
}

async function read(folder: ConstantsFolder, place: NarrowPlace): Promise<Float32Array> {
  const { precision, shape } = place;
  const codes = await folder.read(place.codes);
  const scales = new Float32Array((await folder.read(place.scales)).buffer);
  return widen({ precision, shape, codes, scales });
}
