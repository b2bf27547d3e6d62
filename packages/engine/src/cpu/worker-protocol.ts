import type { DType, HostData } from "../engine-types.ts";
import type { ExternalData } from "../onnx/onnx-writer.ts";
import type { OutputPlan } from "./cpu-plan.ts";

/** A view of a storage that lives in the worker. */
export interface RemoteView {
  readonly id: number;
  readonly storage: number;
  readonly offset: number;
  readonly shape: readonly number[];
}

/** What the engine asks of its worker. Messages are handled in order. */
export type WorkerRequest =
  | { readonly kind: "store"; readonly storage: number; readonly data: HostData }
  | { readonly kind: "zeros"; readonly storage: number; readonly dtype: DType; readonly length: number }
  | { readonly kind: "write"; readonly storage: number; readonly offset: number; readonly data: HostData }
  | { readonly kind: "free"; readonly storage: number }
  | { readonly kind: "read"; readonly reply: number; readonly view: RemoteView }
  | {
      readonly kind: "load";
      readonly reply: number;
      readonly program: number;
      readonly model: Uint8Array;
      readonly threads: number;
      readonly keepScratch: boolean;
      readonly fed: readonly number[];
      readonly outputs: readonly OutputPlan[];
      readonly folding: boolean;
      /** Where the files of the model lie, and what of them is to be written. */
      readonly folder: string | undefined;
      readonly large: readonly RemoteView[];
      readonly places: readonly ExternalData[];
      readonly empty: boolean;
    }
  | {
      readonly kind: "run";
      readonly reply: number;
      readonly program: number;
      readonly inputs: readonly (RemoteView | undefined)[];
      readonly targets: readonly (RemoteView | undefined)[];
      readonly direct: readonly boolean[];
      /** Storages that outputs without a target get. */
      readonly fresh: readonly number[];
    }
  | { readonly kind: "release"; readonly reply: number; readonly program: number };

/** The worker's answer to a request with `reply`. */
export interface WorkerReply {
  readonly reply: number;
  readonly error?: string;
  readonly data?: HostData;
}
